package journal

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
)

const (
	codecCipher = 1
	// cipherFrame opens the skippable zstd frame that an encrypted payload is.
	cipherFrame = 0x184D2A58
	// cipherBody is where in the payload the ciphertext begins: behind the frame's magic and length, and the nonce.
	cipherBody = 8 + chacha20poly1305.NonceSizeX
)

// cipherCodec compresses a block and then encrypts it with the segment's key.
//
// The nonce is drawn at random. A counter would do for a segment that only grows, but a block may be written again under its number: by a
// Rewrite, with other contents, and the old ones may still be had from a backup. Of 192 random bits no two are ever the same.
type cipherCodec struct{ aead cipher.AEAD }

func newCipherCodec(key []byte) (cipherCodec, error) {
	aead, err := chacha20poly1305.NewX(key)
	return cipherCodec{aead}, err
}

func (cipherCodec) id() byte { return codecCipher }

func (c cipherCodec) encode(dst []byte, h blockHeader, raw []byte) ([]byte, error) {
	start, body := len(dst), len(dst)+cipherBody
	dst, err := zstdCodec{}.encode(append(dst, make([]byte, cipherBody)...), h, raw)
	if err != nil {
		return dst[:start], err
	}
	dst = slices.Grow(dst, c.aead.Overhead()) // the ciphertext takes the place of the plaintext
	nonce := dst[start+8 : body]
	rand.Read(nonce) // never fails
	dst = dst[:body+len(c.aead.Seal(dst[body:body], nonce, dst[body:], h.associated()))]
	binary.LittleEndian.PutUint32(dst[start:], cipherFrame)
	binary.LittleEndian.PutUint32(dst[start+4:], uint32(len(dst)-start-8))
	return dst, nil
}

var errCipher = errors.New("the block does not open with its segment's key")

// open returns the zstd frame in the payload.
func (c cipherCodec) open(h blockHeader, payload []byte) ([]byte, error) {
	if len(payload) < cipherBody+c.aead.Overhead() || binary.LittleEndian.Uint32(payload) != cipherFrame ||
		uint64(binary.LittleEndian.Uint32(payload[4:])) != uint64(len(payload)-8) {
		return nil, errCipher
	}
	// Not in place: a rewrite copies payloads as they are.
	frame, err := c.aead.Open(nil, payload[8:cipherBody], payload[cipherBody:], h.associated())
	if err != nil {
		return nil, errCipher
	}
	return frame, nil
}

func (c cipherCodec) decode(dst []byte, h blockHeader, payload []byte) ([]byte, error) {
	frame, err := c.open(h, payload)
	if err != nil {
		return nil, err
	}
	return zstdCodec{}.decode(dst, h, frame)
}

func (c cipherCodec) prefix(dst []byte, h blockHeader, payload []byte) ([]byte, error) {
	frame, err := c.open(h, payload)
	if err != nil {
		return nil, err
	}
	return zstdCodec{}.prefix(dst, h, frame)
}

// associated is what an encrypted payload is bound to beside its key: the block's place in the segment, its kind and its size.
func (h blockHeader) associated() []byte {
	h.Payload, h.Sum = 0, 0
	return h.append(make([]byte, 0, headerSize))[:headerSize-4]
}

// shutCodec stands for the key of a segment that is read without one: checksums are compared, and payloads stay shut.
type shutCodec struct{}

func (shutCodec) id() byte { return codecCipher }

func (shutCodec) encode([]byte, blockHeader, []byte) ([]byte, error) { return nil, errNoIdentity }

func (shutCodec) decode(dst []byte, _ blockHeader, _ []byte) ([]byte, error) { return dst[:0], nil }

func (shutCodec) prefix(dst []byte, _ blockHeader, _ []byte) ([]byte, error) { return dst[:0], nil }

// newSegmentKey draws the key of a new segment, and returns it as its codec and as the age file that its preamble has of it. Without
// recipients it is the plain codec and nil.
func newSegmentKey(recipients []Recipient) (codec, []byte, error) {
	if len(recipients) == 0 {
		return zstdCodec{}, nil, nil
	}
	to := make([]age.Recipient, len(recipients))
	for i, r := range recipients {
		if r.key == nil {
			return nil, nil, errors.New("encrypt a journal: a recipient without a key")
		}
		to[i] = r.key
	}
	var key [chacha20poly1305.KeySize]byte
	rand.Read(key[:]) // never fails
	var wrapped bytes.Buffer
	w, err := age.Encrypt(&wrapped, to...)
	if err == nil {
		_, err = w.Write(key[:])
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("encrypt a journal: %w", err)
	}
	c, err := newCipherCodec(key[:])
	return c, wrapped.Bytes(), err
}

// keyring is what a segment's key is opened with.
type keyring struct {
	identities []*Identity
	// mayShut leaves encrypted payloads shut where there is no identity.
	mayShut bool
}

// codec is the codec of the entries of the segment that p begins. The error is a *KeyError, or errMalformed where the preamble is damaged.
func (k keyring) codec(ctx context.Context, p preamble) (codec, error) {
	if p.Key == nil {
		return zstdCodec{}, nil
	}
	var all []age.Identity
	for _, i := range k.identities {
		keys, err := i.open(ctx)
		if err != nil {
			return nil, &KeyError{Run: p.Run, Err: err}
		}
		all = append(all, keys...)
	}
	if len(all) == 0 {
		if k.mayShut {
			return shutCodec{}, nil
		}
		return nil, &KeyError{Run: p.Run, Err: errNoIdentity}
	}
	r, err := age.Decrypt(bytes.NewReader(p.Key), all...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, &KeyError{Run: p.Run, Err: errWrongIdentity}
	}
	if err != nil {
		return nil, errMalformed
	}
	key, err := io.ReadAll(io.LimitReader(r, chacha20poly1305.KeySize+1))
	if err != nil {
		return nil, errMalformed
	}
	c, err := newCipherCodec(key)
	if err != nil {
		return nil, errMalformed
	}
	return c, nil
}
