// Package auth decides who may call what, and how much of it: TLS certificates, bearer tokens with scopes, quotas.
//
// A [Guard] is the one gate, in front of unary calls and streams alike. It finds out who calls (a token's name, else
// the name in a verified client certificate, else the host), checks the scope that the method needs, and charges the
// call to the caller's quota. What a request costs is known only to its handler, which calls [Charge].
package auth
