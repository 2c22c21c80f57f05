// Reads a ledger that is served as static files with Go's own transparency log packages (golang.org/x/mod/sumdb), which
// know nothing of custody: the signature, the tree over all tiles, each record, and that the tree only grew.
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const width = 256

func get(url string) []byte {
	answer, err := http.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		log.Fatalf("%s: %s %v", url, answer.Status, err)
	}
	return body
}

// Path of tile n, as in c2sp.org/tlog-tiles: Go's own has the height in it, and is else the same.
func path(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
}

type tiles struct{ prefix string }

func (t tiles) Height() int { return 8 }
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range wanted {
		data = append(data, get(t.prefix+path(tile)))
	}
	return data, nil
}
func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func open(prefix, vkey string) tlog.Tree {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		log.Fatal(err)
	}
	opened, err := note.Open(get(prefix+"checkpoint"), note.VerifierList(verifier))
	if err != nil {
		log.Fatal(err)
	}
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || lines[0] != verifier.Name() {
		log.Fatalf("not a checkpoint of %s: %q", verifier.Name(), opened.Text)
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		log.Fatal(err)
	}
	return tlog.Tree{N: size, Hash: root}
}

func records(prefix string, size int64) (all [][]byte) {
	for first := int64(0); first < size; first += width {
		bundle := tlog.Tile{H: 8, L: -1, N: first / width, W: width}
		if size-first < width {
			bundle.W = int(size - first)
		}
		rest := get(prefix + strings.Replace(path(bundle), "tile/data/", "tile/entries/", 1))
		for len(rest) > 0 {
			length := int(binary.BigEndian.Uint16(rest))
			all = append(all, rest[2:2+length])
			rest = rest[2+length:]
		}
	}
	return all
}

func main() {
	prefix := os.Args[1]
	tree := open(prefix, os.Args[2])
	hashes := tlog.TileHashReader(tree, tiles{prefix})
	all := records(prefix, tree.N)
	if int64(len(all)) != tree.N {
		log.Fatalf("%d records of %d", len(all), tree.N)
	}
	for i, record := range all {
		proof, err := tlog.ProveRecord(tree.N, int64(i), hashes)
		if err == nil {
			err = tlog.CheckRecord(proof, tree.N, tree.Hash, int64(i), tlog.RecordHash(record))
		}
		if err != nil {
			log.Fatalf("record %d: %v", i, err)
		}
	}
	for _, old := range []int64{1, 2, 255, 256, 257, tree.N - 1} {
		root, err := tlog.TreeHash(old, hashes)
		if err != nil {
			log.Fatal(err)
		}
		proof, err := tlog.ProveTree(tree.N, old, hashes)
		if err == nil {
			err = tlog.CheckTree(proof, tree.N, tree.Hash, old, root)
		}
		if err != nil {
			log.Fatalf("tree of %d: %v", old, err)
		}
	}
	fmt.Println(tree.N)
}
