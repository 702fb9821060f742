package process

import (
	"os"
	"os/exec"
	"slices"
	"testing"
)

func TestOwnProcess(t *testing.T) {
	self := []int{os.Getpid()}
	if rss, err := RSS(self); err != nil || rss < 1<<20 {
		t.Errorf("RSS: got %d and %v, want some MiB", rss, err)
	}
	if n, err := Threads(self); err != nil || n < 1 {
		t.Errorf("Threads: got %d and %v, want at least one", n, err)
	}
	if n, err := Sockets(); err != nil || n < 1<<20 {
		t.Errorf("Sockets: got %d and %v, want some MiB", n, err)
	}
	before, err := CPU(self)
	if err != nil {
		t.Fatal(err)
	}
	for own := Own(); Own()-own < 3e7; { // more than a tick
	}
	if after, err := CPU(self); err != nil || after <= before {
		t.Errorf("CPU after 30 ms of work: got %v and %v, want more than %v", after, err, before)
	}
}

func TestTree(t *testing.T) {
	cmd := exec.Command("cat") // which waits for its input
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tree, err := Tree(os.Getpid())
	if err != nil || !slices.Contains(tree, cmd.Process.Pid) || tree[0] != os.Getpid() {
		t.Errorf("got %v and %v, want this process and its child %d", tree, err, cmd.Process.Pid)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

// A command's name may hold anything.
func TestStatFields(t *testing.T) {
	fields, err := statFields([]byte("12 (a) b (c)) S 7 0 0 0 0 0 0 0 0 0 11 22 0 0 0 0 5 0 0 0"))
	if err != nil || fields[0] != "S" || fields[4-3] != "7" || fields[14-3] != "11" {
		t.Errorf("got %v and %v", fields, err)
	}
	if _, err := statFields([]byte("12 (a) S 7")); err == nil {
		t.Error("a short line was taken")
	}
}
