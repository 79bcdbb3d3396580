# Writes the bill of materials of one program as CycloneDX JSON.
#
#   awk -v program=NAME -v version=VERSION -f sbom.awk Cargo.lock TREE
#
# TREE holds the lines of `cargo tree --prefix none --format '{p}|{l}'`: "serde v1.0.228|MIT OR Apache-2.0".
# Cargo.lock knows the checksums. A crate that comes from somewhere else than a registry (ours, or one from
# git) has its place in brackets after its version; it gets no purl, which would name a stranger on crates.io.

function text(value) { gsub(/["\\]/, "\\\\&", value); return "\"" value "\"" }

NR == FNR {
    split($0, quoted, "\"")
    if (/^name = /) name = quoted[2]
    if (/^version = /) key = name " " quoted[2]
    if (/^checksum = /) checksum[key] = quoted[2]
    next
}

{
    sub(/ \(\*\)$/, "")
    split($0, column, "|")
    split(column[1], word, " ")
    name = word[1]
    number = substr(word[2], 2)
    key = name " " number
    if (seen[key]++) next
    elsewhere = index(column[1], " (")
    license = column[2]
    gsub("/", " OR ", license)

    entry = "{\"type\":\"library\",\"name\":" text(name) ",\"version\":" text(number)
    if (!elsewhere) entry = entry ",\"purl\":" text("pkg:cargo/" name "@" number)
    if (key in checksum && !elsewhere)
        entry = entry ",\"hashes\":[{\"alg\":\"SHA-256\",\"content\":" text(checksum[key]) "}]"
    if (license) entry = entry ",\"licenses\":[{\"expression\":" text(license) "}]"
    components = components (components ? ",\n" : "") entry "}"
}

END {
    if (!components) { print "sbom.awk: the tree is empty" > "/dev/stderr"; exit 1 }
    print "{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.5\",\"version\":1,"
    print "\"metadata\":{\"component\":{\"type\":\"application\",\"name\":" text(program) ",\"version\":" text(version) "}},"
    print "\"components\":[\n" components "\n]}"
}
