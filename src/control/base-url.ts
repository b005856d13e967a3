import type { FastifyRequest } from 'fastify';
import type { Control } from './context.ts';

/**
 * Where whoever sent this request fetches and sends files; signed object URLs start with it. objects.publicUrl when there
 * is one. Else nodes: as configured (gateway.publicUrl), or as they came; clients: as they came, which may be another
 * network than the nodes'.
 */
export function baseUrlFor(control: Control, request: FastifyRequest, who: 'node' | 'client'): string {
  const { objects } = control.config;
  if (objects.publicUrl !== null) return withoutSlash(objects.publicUrl);
  return gatewayUrlFor(control, request, who);
}

/** How the control plane itself is reached: see {@link baseUrlFor}, without what is said of files. */
export function gatewayUrlFor(control: Control, request: FastifyRequest, who: 'node' | 'client'): string {
  const { publicUrl, tls } = control.config.gateway;
  if (who === 'node' && publicUrl !== null) return withoutSlash(publicUrl);
  const host = request.headers.host;
  // A proxy that ends TLS in front of this server says so. As with the host, whoever lies about it misleads themselves.
  const isForwarded = request.headers['x-forwarded-proto'] === 'https';
  const scheme = tls === null && !isForwarded ? 'http' : 'https';
  if (host !== undefined && /^[A-Za-z0-9.-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/.test(host)) {
    // Only who asked gets this URL, and the signature does not cover the host: a false Host header gains nothing.
    return `${scheme}://${host}`;
  }
  if (publicUrl !== null) return withoutSlash(publicUrl);
  return `${scheme}://${request.server.listeningOrigin.split('://')[1]}`;
}

/**
 * How a node in the mesh reaches it, where nobody said so (gateway.publicUrl) and it listens there; null: as
 * {@link gatewayUrlFor} says. The operator may have asked from this very machine, by an address that is good only here.
 */
export function meshUrlFor(control: Control, request: FastifyRequest, address: string): string | null {
  const { publicUrl, host, tls } = control.config.gateway;
  // A certificate is for a name, and that was in the request.
  if (publicUrl !== null || tls !== null) return null;
  if (!['0.0.0.0', '::', address].includes(host)) return null;
  return `http://${address}:${request.socket.localPort}`;
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
