package objectstore

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// ErrNoBucket is returned where the bucket does not exist.
var ErrNoBucket = errors.New("there is no such bucket")

// serverError is a request that failed. Its text is what the server said, or the network, without ids of requests and hosts.
type serverError struct {
	doing string
	err   error
}

func (e *serverError) Error() string { return e.doing + ": " + reason(e.err) }

func (e *serverError) Unwrap() error { return e.err }

// Hints says what to do.
func (e *serverError) Hints() []string {
	switch {
	case noCredentials(e.err), status(e.err) == http.StatusForbidden:
		return []string{"credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the machine's role; the README lists the permissions they need"}
	case status(e.err) == http.StatusMovedPermanently, code(e.err) == "AuthorizationHeaderMalformed":
		return []string{"the bucket is in another region: publish_region, or AWS_REGION"}
	}
	return nil
}

func failed(doing string, err error) error {
	if code(err) == "NoSuchBucket" {
		return fmt.Errorf("%s: %w", doing, ErrNoBucket)
	}
	return &serverError{doing, err}
}

func reason(err error) string {
	var answer smithy.APIError
	var network *url.Error
	switch {
	case noCredentials(err):
		return "neither the environment nor the AWS configuration has credentials that work"
	case errors.As(err, &answer) && answer.ErrorMessage() != "":
		return fmt.Sprintf("%s (%s)", answer.ErrorMessage(), answer.ErrorCode())
	case errors.As(err, &answer):
		return fmt.Sprintf("%s (status %d)", answer.ErrorCode(), status(err))
	case errors.As(err, &network):
		return network.Err.Error()
	}
	return err.Error()
}

// noCredentials tells whether it was another service that failed, of those that credentials come from.
func noCredentials(err error) bool {
	var request, before *smithy.OperationError
	return errors.As(err, &request) && errors.As(request.Err, &before) && before.Service() != request.Service()
}

// code is the server's code of an error; empty where it gave none.
func code(err error) string {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	return ""
}

// status is the HTTP status that an error came with; 0 where nothing was answered.
func status(err error) int {
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// absent tells whether an error says that there is no such object.
func absent(err error) bool {
	return status(err) == http.StatusNotFound && !errors.Is(err, ErrNoBucket) && code(err) != "NoSuchBucket"
}

// outrun tells whether an error says that a condition no longer held: somebody else wrote first, or is just writing. A 404 is an object that was
// to be replaced, and is gone.
func outrun(err error) bool {
	s := status(err)
	return s == http.StatusPreconditionFailed || s == http.StatusConflict || absent(err)
}
