// Package auth decides who may call what, and how much of it: TLS certificates, bearer tokens with scopes, and quotas.
//
// A [Guard] checks every call, unary or stream. It identifies the caller by the name of its token, else by the name in
// a verified client certificate, else by the host. It checks the scope that the method needs and charges the call to
// the caller's quota. Only the handler knows the cost of a request, so it calls [Charge].
package auth
