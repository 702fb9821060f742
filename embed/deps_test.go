package embed_test

import (
	"os/exec"
	"strings"
	"testing"
)

// Who embeds a node does not get the libraries of the server with it: only
// those of the list, for frames of WebSocket and for rates.
func TestDependencies(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for path := range strings.FieldsSeq(string(out)) {
		known := false
		for _, of := range []string{"github.com/pabal/pabal", "github.com/gobwas/", "golang.org/x/time/", "golang.org/x/sys/"} {
			known = known || strings.HasPrefix(path, of)
		}
		if !known {
			t.Errorf("%s comes with embed: leave it to the caller, or to server", path)
		}
		for _, not := range []string{"server", "web", "auth", "broker/disk"} {
			if at := "github.com/pabal/pabal/" + not; path == at || strings.HasPrefix(path, at+"/") {
				t.Errorf("%s comes with embed: it is the server's", path)
			}
		}
		found++
	}
	if found < 10 {
		t.Fatalf("go list tells of %d packages", found)
	}
}
