// Reads metadata files as Notary's client does and prints what it found in each, so that a test can
// hold it against what the server made of the same bytes.
//
// Each line of standard input is the name of a role, a space, and a file in base64. Each line of
// standard output is a JSON object: either {"error": TEXT} or the reading.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/docker/go/canonical/json"
	"github.com/theupdateframework/notary/tuf/data"
)

type reading struct {
	Type       string                  `json:"type"`
	Version    int                     `json:"version"`
	Expires    string                  `json:"expires"`
	Message    string                  `json:"message"`
	Signatures []signature             `json:"signatures"`
	Consistent bool                    `json:"consistent"`
	Keys       map[string]string       `json:"keys"`
	Roles      []role                  `json:"roles"`
	Files      map[string]fileMetadata `json:"files"`
}

type signature struct {
	KeyID  string `json:"keyid"`
	Method string `json:"method"`
	Bytes  string `json:"bytes"`
}

type role struct {
	Name      string   `json:"name"`
	KeyIDs    []string `json:"keyids"`
	Threshold int      `json:"threshold"`
	Paths     []string `json:"paths"`
}

type fileMetadata struct {
	Length int64             `json:"length"`
	Hashes map[string]string `json:"hashes"`
	Custom string            `json:"custom"`
}

func main() {
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for {
		line, err := input.ReadString('\n')
		if err != nil {
			return
		}
		name, encoded, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		file, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			panic(err)
		}
		answer, err := stdjson.Marshal(answer(data.RoleName(name), file))
		if err != nil {
			panic(err)
		}
		output.Write(append(answer, '\n'))
		if input.Buffered() == 0 {
			output.Flush()
		}
	}
}

func answer(name data.RoleName, file []byte) (answer interface{}) {
	defer func() {
		if panicked := recover(); panicked != nil {
			answer = map[string]string{"error": fmt.Sprintf("the client crashes: %v", panicked)}
		}
	}()
	found, err := read(name, file)
	if err != nil {
		return map[string]string{"error": err.Error()}
	}
	return found
}

func read(name data.RoleName, file []byte) (*reading, error) {
	envelope := &data.Signed{}
	if err := json.Unmarshal(file, envelope); err != nil {
		return nil, err
	}
	meta := &data.SignedMeta{}
	if err := json.Unmarshal(file, meta); err != nil {
		return nil, err
	}
	if err := checkTime(file); err != nil {
		return nil, err
	}
	// What is signed, as signed.VerifySignatures computes it.
	var decoded map[string]interface{}
	if err := json.Unmarshal(*envelope.Signed, &decoded); err != nil {
		return nil, err
	}
	message, err := json.MarshalCanonical(decoded)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(message)
	found := &reading{
		Message:    hex.EncodeToString(sum[:]),
		Signatures: []signature{},
		Keys:       map[string]string{},
		Roles:      []role{},
		Files:      map[string]fileMetadata{},
	}
	for _, sig := range envelope.Signatures {
		found.Signatures = append(found.Signatures, signature{sig.KeyID, string(sig.Method), hex.EncodeToString(sig.Signature)})
	}
	var common data.SignedCommon
	switch name {
	case data.CanonicalRootRole:
		common, err = readRoot(envelope, file, found)
	case data.CanonicalSnapshotRole:
		common, err = readSnapshot(envelope, file, found)
	default:
		common, err = readTargets(envelope, file, name, found)
	}
	if err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(common, meta.Signed) {
		return nil, errors.New("the server reads another version, type or expiry")
	}
	found.Type, found.Version = common.Type, common.Version
	found.Expires = common.Expires.UTC().Format(time.RFC3339Nano)
	return found, nil
}

func readRoot(envelope *data.Signed, file []byte, found *reading) (data.SignedCommon, error) {
	root, err := data.RootFromSigned(envelope)
	if err != nil {
		return data.SignedCommon{}, err
	}
	whole := &data.SignedRoot{}
	if err := same(file, whole, &whole.Signed, &root.Signed); err != nil {
		return data.SignedCommon{}, err
	}
	found.Consistent = root.Signed.ConsistentSnapshot
	readKeys(root.Signed.Keys, found)
	for name, holders := range root.Signed.Roles {
		// Clients copy every role.
		found.Roles = append(found.Roles, readRole(data.Role{RootRole: *holders, Name: name}))
	}
	return root.Signed.SignedCommon, nil
}

func readTargets(envelope *data.Signed, file []byte, name data.RoleName, found *reading) (data.SignedCommon, error) {
	targets, err := data.TargetsFromSigned(envelope, name)
	if err != nil {
		return data.SignedCommon{}, err
	}
	whole := &data.SignedTargets{}
	if err := same(file, whole, &whole.Signed, &targets.Signed); err != nil {
		return data.SignedCommon{}, err
	}
	readKeys(targets.Signed.Delegations.Keys, found)
	for _, delegation := range targets.Signed.Delegations.Roles {
		found.Roles = append(found.Roles, readRole(*delegation))
	}
	readFiles(targets.Signed.Targets, found)
	return targets.Signed.SignedCommon, nil
}

func readSnapshot(envelope *data.Signed, file []byte, found *reading) (data.SignedCommon, error) {
	snapshot, err := data.SnapshotFromSigned(envelope)
	if err != nil {
		return data.SignedCommon{}, err
	}
	whole := &data.SignedSnapshot{}
	if err := same(file, whole, &whole.Signed, &snapshot.Signed); err != nil {
		return data.SignedCommon{}, err
	}
	readFiles(snapshot.Signed.Meta, found)
	return snapshot.Signed.SignedCommon, nil
}

// same decodes the whole file at once, as clients do for some purposes, and compares the signed part
// with the one that was decoded from an envelope.
func same(file []byte, whole, signed, expected interface{}) error {
	if err := json.Unmarshal(file, whole); err != nil {
		return err
	}
	if !reflect.DeepEqual(signed, expected) {
		return errors.New("the whole file says something else than its signed part")
	}
	return nil
}

func readKeys(keys data.Keys, found *reading) {
	for id, key := range keys {
		found.Keys[id] = key.ID()
	}
}

func readRole(from data.Role) role {
	return role{from.Name.String(), append([]string{}, from.KeyIDs...), from.Threshold, append([]string{}, from.Paths...)}
}

func readFiles(files data.Files, found *reading) {
	for name, meta := range files {
		hashes := map[string]string{}
		for algorithm, hash := range meta.Hashes {
			hashes[algorithm] = hex.EncodeToString(hash)
		}
		custom := ""
		if meta.Custom != nil {
			var decoded interface{}
			if err := json.Unmarshal(*meta.Custom, &decoded); err != nil {
				panic(err)
			}
			text, err := json.MarshalCanonical(decoded)
			if err != nil {
				panic(err)
			}
			custom = string(text)
		}
		found.Files[name] = fileMetadata{meta.Length, hashes, custom}
	}
}

// checkTime refuses what the strictest version of Go refuses (time.parseStrictRFC3339), and fractions
// of more than nine digits, which versions before 1.17 refused.
func checkTime(file []byte) error {
	var raw struct {
		Signed struct {
			Expires stdjson.RawMessage `json:"expires"`
		} `json:"signed"`
	}
	if err := stdjson.Unmarshal(file, &raw); err != nil {
		return err
	}
	text := bytes.Trim(raw.Signed.Expires, `"`)
	if len(text) == 0 || string(text) == "null" {
		return nil
	}
	number := func(digits []byte) int { return 10*int(digits[0]-'0') + int(digits[1]-'0') }
	end := len(text) - 1
	switch {
	case text[len("2006-01-02T")+1] == ':':
		return errors.New("the hour has one digit")
	case text[len("2006-01-02T15:04:05")] == ',':
		return errors.New("the fraction begins with a comma")
	case text[end] != 'Z' && number(text[len(text)-len("07:00"):]) >= 24:
		return errors.New("the offset has too many hours")
	case text[end] != 'Z' && number(text[len(text)-len("00"):]) >= 60:
		return errors.New("the offset has too many minutes")
	}
	if text[end] != 'Z' {
		end = len(text) - len("+07:00")
	}
	if end > len("2006-01-02T15:04:05.123456789") {
		return errors.New("the fraction has more than nine digits")
	}
	return nil
}
