package web

import (
	"fmt"
	"strings"

	"connectrpc.com/vanguard"
	"google.golang.org/protobuf/proto"
)

// codec reads and writes the JSON of the Connect protocol and of gRPC-Web. It writes protobuf's JSON, and reads it as
// [readJSON] does, so that every protocol refuses the same mistakes. It is safe for concurrent use.
type codec struct {
	*vanguard.JSONCodec
	room *room
	most int // bytes of a message
}

func newCodec(room *room, most int, types vanguard.TypeResolver) *codec {
	return &codec{vanguard.NewJSONCodec(types), room, most}
}

// Unmarshal implements [vanguard.Codec].
func (c *codec) Unmarshal(data []byte, m proto.Message) error {
	part := c.room.open()
	defer part.release()
	if err := part.take(len(data)); err != nil {
		return connectProblem(err)
	}
	return connectProblem(readJSONText(data, m, c.most))
}

// translate returns a protobuf message of m's type as JSON.
func (c *codec) translate(message []byte, m proto.Message) ([]byte, error) {
	if err := proto.Unmarshal(message, m); err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	return c.MarshalAppend(nil, m)
}

// plain removes the random white space from an error of protobuf, which differs between builds.
func plain(err error) string {
	return strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto: ")
}
