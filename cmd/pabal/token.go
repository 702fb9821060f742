package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/pabal/pabal/auth"
)

type tokenCmd struct {
	Make    tokenMakeCmd    `cmd:"" default:"withargs" help:"Make a token and print it; make may be left out."`
	Inspect tokenInspectCmd `cmd:"" help:"Explain a token in plain words, and check its signature if it is given a key."`
	Key     tokenKeyCmd     `cmd:"" help:"Make a key that signs tokens."`
}

type tokenMakeCmd struct {
	SecretFile string        `placeholder:"FILE" help:"File with the secret that signs it, for HS256: 32 bytes or more."`
	KeyFile    string        `placeholder:"FILE" help:"File with the private key that signs it, in PEM: RSA, P-256 or Ed25519."`
	Kid        string        `placeholder:"NAME" help:"Name of the key, for a server that knows several."`
	User       string        `placeholder:"NAME" help:"Who the holder is (sub); without it, nobody in particular."`
	Read       []string      `placeholder:"PATTERN" help:"Channels to read, by names in which * may stand; may be given several times, as may the next three."`
	Publish    []string      `placeholder:"PATTERN" help:"Channels to publish to."`
	Call       []string      `placeholder:"PATTERN" help:"Channels to call."`
	See        []string      `placeholder:"PATTERN" help:"Channels to see who is present in."`
	UserData   string        `placeholder:"JSON" help:"What presence shows of the user."`
	Expires    time.Duration `default:"1h" help:"How long it is good; 0 is for ever, which a server takes only if it is told to."`
	Audience   []string      `placeholder:"TEXT" help:"For whom it is (aud)."`
	Issuer     string        `placeholder:"TEXT" help:"Who makes it (iss)."`
}

// Run prints the token.
func (m *tokenMakeCmd) Run(out io.Writer) error {
	if (m.SecretFile == "") == (m.KeyFile == "") {
		return exitError{exitUsage, errors.New("give one of --secret-file and --key-file: it signs the token; pabal token key makes one")}
	}
	if m.Expires < 0 || m.Expires > 0 && m.Expires < time.Second {
		return exitError{exitUsage, fmt.Errorf("--expires: %v is not allowed here; write a second or more, as in 15m or 24h, or 0 for ever", m.Expires)}
	}
	if m.UserData != "" && !json.Valid([]byte(m.UserData)) {
		return exitError{exitUsage, fmt.Errorf(`--user-data: %.80q is not JSON; write it as {"name":"Alice"}`, m.UserData)}
	}
	key, err := m.key()
	if err != nil {
		return err
	}
	key.ID = m.Kid
	now := time.Now()
	c := auth.Claims{
		User: m.User, Issuer: m.Issuer, Audience: m.Audience, IssuedAt: now,
		Rights: auth.Rights{Read: m.Read, Publish: m.Publish, Call: m.Call, See: m.See},
		Data:   json.RawMessage(m.UserData),
	}
	if m.Expires > 0 {
		c.Expires = now.Add(m.Expires)
	}
	token, err := key.Sign(c)
	if err != nil {
		return exitError{exitUsage, err}
	}
	_, err = fmt.Fprintln(out, token)
	return err
}

func (m *tokenMakeCmd) key() (*auth.SigningKey, error) {
	if m.SecretFile != "" {
		return auth.ReadSecret(m.SecretFile)
	}
	return auth.ReadPrivate(m.KeyFile)
}

type tokenKeyCmd struct {
	Algorithm string `default:"ES256" enum:"HS256,RS256,ES256,EdDSA" help:"What it signs with: ES256, EdDSA or RS256, where a server needs only the public half; or HS256, a secret that both share."`
	Output    string `short:"o" required:"" placeholder:"FILE" help:"File to make for what signs, which only you may read; its public half is FILE.pub. Neither may be there yet."`
}

// Run makes the files.
func (k *tokenKeyCmd) Run(out io.Writer) error {
	private, public, err := auth.NewKey(k.Algorithm)
	if err != nil {
		return err
	}
	if err := create(k.Output, private, 0o600); err != nil {
		return err
	}
	if public == nil {
		_, err = fmt.Fprintf(out, "%s holds the secret. It signs:\n  pabal token --secret-file %[1]s --user alice --read 'chat/*'\nand checks:\n  pabal serve --token-secret-file %[1]s\n", k.Output)
		return err
	}
	if err := create(k.Output+".pub", public, 0o644); err != nil {
		return errors.Join(err, os.Remove(k.Output))
	}
	_, err = fmt.Fprintf(out, "%s holds the private key. It signs:\n  pabal token --key-file %[1]s --user alice --read 'chat/*'\n%[1]s.pub holds the public key. It checks:\n  pabal serve --token-key-file %[1]s.pub\n", k.Output)
	return err
}

// create makes a file that was not there.
func create(name string, text []byte, mode os.FileMode) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}
