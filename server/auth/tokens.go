package auth

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Scope is a permission of a token.
type Scope string

// The scopes. No scope includes another: a token that may do both has both.
const (
	ScopeSample Scope = "sample" // sample, score, list and describe models
	ScopeAdmin  Scope = "admin"  // load, unload and reload models
)

// Scopes returns all scopes.
func Scopes() []Scope { return []Scope{ScopeSample, ScopeAdmin} }

// Tokens is a file of bearer tokens. Each line has three columns, and '#' begins a comment:
//
//	# name    scopes         SHA-256 of the token
//	alice     sample         5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8
//	operator  sample,admin   8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92
//
// The server stores only hashes of tokens. [NewToken] makes tokens with 130 random bits, so an unsalted hash cannot be
// reversed as the hash of a password can. One name may have several tokens, so a token can be replaced without a gap.
// The file is read again when it changes.
type Tokens struct{ file *reloaded[[]credential] }

// credential is one line of the file.
type credential struct {
	name   string
	scopes []Scope
	hash   [sha256.Size]byte
}

// OpenTokens reads a file of tokens, which must have one. If a later version of the file has none, every call is
// refused: whoever removes the last token wants that. A file that is gone or broken leaves the tokens as they were.
func OpenTokens(file string, log *slog.Logger) (*Tokens, error) {
	r, err := newReloaded(log, func() ([]credential, error) { return readTokens(file) }, file)
	if err == nil && len(r.value) == 0 {
		err = fmt.Errorf("load tokens: %s has no tokens, so nobody could call", file)
	}
	if err != nil {
		return nil, err
	}
	r.read = func() ([]credential, error) {
		all, err := readTokens(file)
		if err == nil && len(all) == 0 {
			log.Warn("the file of tokens has none: every call is refused", "file", file)
		}
		return all, err
	}
	return &Tokens{r}, nil
}

// find returns the credential of a token. Its running time does not depend on the token.
func (t *Tokens) find(token string) (found credential, ok bool) {
	hash := sha256.Sum256([]byte(token))
	for _, c := range t.file.get() {
		if subtle.ConstantTimeCompare(c.hash[:], hash[:]) == 1 {
			found, ok = c, true
		}
	}
	return found, ok
}

func readTokens(file string) ([]credential, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("load tokens: %w", err)
	}
	var all []credential
	var errs []error
	lines := bufio.NewScanner(bytes.NewReader(data))
	for number := 1; lines.Scan(); number++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if columns := strings.Fields(text); len(columns) > 0 {
			c, err := parseCredential(columns)
			if err != nil {
				errs = append(errs, fmt.Errorf("load tokens: %s:%d: %w", file, number, err))
			}
			all = append(all, c)
		}
	}
	if err := lines.Err(); err != nil {
		errs = append(errs, fmt.Errorf("load tokens: %s: %w", file, err))
	}
	return all, errors.Join(errs...)
}

func parseCredential(columns []string) (credential, error) {
	if len(columns) != 3 {
		return credential{}, fmt.Errorf("%d columns: want a name, scopes and a hash", len(columns))
	}
	c := credential{name: columns[0]}
	if err := CheckName(c.name); err != nil {
		return credential{}, err
	}
	for _, text := range strings.Split(columns[1], ",") {
		scope, err := ParseScope(text)
		if err != nil {
			return credential{}, err
		}
		c.scopes = append(c.scopes, scope)
	}
	hash, err := hex.DecodeString(columns[2])
	if err != nil || len(hash) != len(c.hash) {
		return credential{}, fmt.Errorf("a hash of %d characters: want the 64 hexadecimal digits of a SHA-256",
			len(columns[2]))
	}
	copy(c.hash[:], hash)
	return c, nil
}

// CheckName returns an error if name cannot identify a token's owner in logs and quotas.
func CheckName(name string) error {
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$`).MatchString(name) {
		return fmt.Errorf("name is %.80q: want 1 to 64 letters, digits, dots, dashes, underscores and @", name)
	}
	return nil
}

// ParseScope returns the scope with the given name.
func ParseScope(text string) (Scope, error) {
	if scope := Scope(text); slices.Contains(Scopes(), scope) {
		return scope, nil
	}
	return "", fmt.Errorf("scope is %.80q: want sample or admin", text)
}

// NewToken makes a token for its owner, and the line of a token file that accepts it.
func NewToken(name string, scopes ...Scope) (token, line string) {
	token = "langevin_" + rand.Text()
	hash := sha256.Sum256([]byte(token))
	names := make([]string, len(scopes))
	for i, scope := range scopes {
		names[i] = string(scope)
	}
	return token, fmt.Sprintf("%s %s %x", name, strings.Join(names, ","), hash)
}
