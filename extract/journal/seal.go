package journal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	sealName = "seal.json"
	// sealVersion is the seal's own: it says nothing of what is in the segments.
	sealVersion = 1
)

// seal is the content of seal.json: one line of JSON, of which no other spelling is accepted.
type seal struct {
	Version  int             `json:"version"`
	Run      string          `json:"run"`
	Segments []sealedSegment `json:"segments"`
	SHA256   string          `json:"sha256"` // of this line with this field empty, in hex
}

type sealedSegment struct {
	Name string `json:"name"`
	ID   string `json:"id"` // the id in the segment's headers, in hex
}

func segmentID(id uint64) string { return fmt.Sprintf("%016x", id) }

func (s seal) encode() ([]byte, error) {
	s.SHA256 = ""
	line, err := jsonLine(s)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(line)
	s.SHA256 = hex.EncodeToString(sum[:])
	return jsonLine(s)
}

var (
	errSealBytes = errors.New("the seal is not as it was written")
	errMissing   = errors.New("the file is missing")
	errExtra     = errors.New("the file is none of the run's")
	errLeftover  = errors.New("the file is left over from an interrupted rewrite, to be run again")
	errNoTrailer = errors.New("the segment has no trailer")
	errOtherRun  = errors.New("the file belongs elsewhere: its run, number or id is not the one expected here")
	errSealed    = errors.New("the trailer's word on whether the run is sealed is not the seal's")
)

// readSeal reads the seal at path.
func readSeal(path string) (*seal, error) {
	line, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a journal's seal: %w", err)
	}
	s := new(seal)
	if err := strictJSON(line, s); err != nil {
		return nil, damaged(path, 0, errSealBytes)
	}
	if again, err := s.encode(); err != nil || !bytes.Equal(line, again) || s.Version != sealVersion {
		return nil, damaged(path, 0, errSealBytes)
	}
	return s, nil
}

// writeSeal makes the seal durable under its temporary name, in place of one that a crash left.
func writeSeal(d disk, dir string, s seal) error {
	line, err := s.encode()
	if err != nil {
		return err
	}
	temp := filepath.Join(dir, sealName+tempSuffix)
	if err := d.remove(temp); err != nil {
		return err
	}
	f, err := d.create(temp)
	if err != nil {
		return err
	}
	_, err = f.Write(line)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return d.syncDir(dir)
}

// Check reads everything in the run's folder and returns nil if it is what was written: every block of every segment, and of a sealed run
// every bit of every file and that no file is missing or too many. Of a run that is not sealed, a torn tail is no fault. Each fault is a
// [*DamageError]; several are joined. Check writes nothing, and may run beside a process that appends to the run.
//
// An encrypted run is compared with its checksums, which needs no key; with identities its blocks are opened as well, and a run that they do
// not open is a [*KeyError].
func Check(ctx context.Context, dir string, identities ...*Identity) error {
	for {
		f, err := readFolder(dir)
		if err != nil {
			return err
		}
		f.keys = keyring{identities: identities, mayShut: true}
		if err = f.check(ctx); err == nil || f.seal != nil {
			return err
		}
		// Another process may have sealed the run meanwhile: then it is the sealed run that is to be looked at.
		if again, sealErr := readFolder(dir); sealErr != nil || again.seal == nil {
			return err
		}
	}
}

// check finds every fault of the run's files.
func (f folder) check(ctx context.Context) error {
	var faults []error
	for _, name := range f.strangers {
		faults = append(faults, damaged(f.path(name), 0, errExtra))
	}
	if f.seal != nil {
		for _, name := range f.temps {
			faults = append(faults, damaged(f.path(name), 0, errLeftover))
		}
	}
	for i := range f.segments {
		_, err := f.walk(ctx, i, func(b *block) error {
			return b.entries(func(item) error { return nil })
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}
