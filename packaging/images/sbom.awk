# Writes the bill of materials of one program as CycloneDX JSON.
#
#   awk -v program=NAME -v version=VERSION -f sbom.awk Cargo.lock TREE LIBRARIES
#
# LIBRARIES holds a line for each file that is no crate: "name|version|licence|purl|SHA-256". TREE holds the lines
# of `cargo tree --prefix none --format '{p}|{l}'`: "serde v1.0.228|MIT OR Apache-2.0".
# Cargo.lock knows the checksums. A crate that comes from somewhere else than a registry (ours, or one from
# git) has its place in brackets after its version; it gets no purl, which would name a stranger on crates.io.

function add(name, number, purl, sum, license,    entry) {
    entry = "{\"type\":\"library\",\"name\":" text(name) ",\"version\":" text(number)
    if (purl) entry = entry ",\"purl\":" text(purl)
    if (sum) entry = entry ",\"hashes\":[{\"alg\":\"SHA-256\",\"content\":" text(sum) "}]"
    if (license) entry = entry ",\"licenses\":[{\"expression\":" text(license) "}]"
    components = components (components ? ",\n" : "") entry "}"
}

function text(value) { gsub(/["\\]/, "\\\\&", value); return "\"" value "\"" }

NR == FNR {
    split($0, quoted, "\"")
    if (/^name = /) name = quoted[2]
    if (/^version = /) key = name " " quoted[2]
    if (/^checksum = /) checksum[key] = quoted[2]
    next
}

FILENAME == ARGV[3] {
    split($0, column, "|")
    add(column[1], column[2], column[4], column[5], column[3])
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
    crates++
    if (elsewhere) add(name, number, "", "", license)
    else add(name, number, "pkg:cargo/" name "@" number, key in checksum ? checksum[key] : "", license)
}

END {
    if (!crates) { print "sbom.awk: the tree is empty" > "/dev/stderr"; exit 1 }
    print "{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.5\",\"version\":1,"
    print "\"metadata\":{\"component\":{\"type\":\"application\",\"name\":" text(program) ",\"version\":" text(version) "}},"
    print "\"components\":[\n" components "\n]}"
}
