package client

import (
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
)

// listScheme is the scheme of targets that are a list of addresses.
const listScheme = "list"

// targetOptions turns a target that lists addresses into one that gRPC can resolve.
func targetOptions(target string) (string, []grpc.DialOption, error) {
	if !strings.Contains(target, ",") || strings.Contains(target, "://") {
		return target, nil, nil
	}
	var list addresses
	for address := range strings.SplitSeq(target, ",") {
		address = strings.TrimSpace(address)
		if address == "" {
			return "", nil, fmt.Errorf("target is %q: want addresses such as a:50051,b:50051", target)
		}
		list = append(list, address)
	}
	return listScheme + ":///" + strings.Join(list, ","), []grpc.DialOption{grpc.WithResolvers(list)}, nil
}

// addresses is a resolver that returns the list itself.
type addresses []string

func (a addresses) Scheme() string { return listScheme }

// Build names each server by its own address, which TLS then checks.
func (a addresses) Build(_ resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver,
	error) {
	var state resolver.State
	for _, address := range a {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{
			Addresses: []resolver.Address{{Addr: address, ServerName: address}},
		})
	}
	return a, cc.UpdateState(state)
}

func (a addresses) ResolveNow(resolver.ResolveNowOptions) {}
func (a addresses) Close()                                {}
