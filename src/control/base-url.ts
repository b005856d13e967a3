import type { FastifyRequest } from 'fastify';
import type { Control } from './context.ts';

/**
 * Where whoever sent this request fetches and sends files; signed object URLs start with it. objects.publicUrl when there
 * is one. Else nodes: as configured (gateway.publicUrl), or as they came; clients: as they came, which may be another
 * network than the nodes'.
 */
export function baseUrlFor(control: Control, request: FastifyRequest, who: 'node' | 'client'): string {
  const { gateway, objects } = control.config;
  const { publicUrl, tls } = gateway;
  if (objects.publicUrl !== null) return objects.publicUrl.replace(/\/+$/, '');
  if (who === 'node' && publicUrl !== null) return publicUrl.replace(/\/+$/, '');
  const host = request.headers.host;
  // A proxy that ends TLS in front of this server says so. As with the host, whoever lies about it misleads themselves.
  const isForwarded = request.headers['x-forwarded-proto'] === 'https';
  const scheme = tls === null && !isForwarded ? 'http' : 'https';
  if (host !== undefined && /^[A-Za-z0-9.-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/.test(host)) {
    // Only who asked gets this URL, and the signature does not cover the host: a false Host header gains nothing.
    return `${scheme}://${host}`;
  }
  return publicUrl?.replace(/\/+$/, '') ?? `${scheme}://${request.server.listeningOrigin.split('://')[1]}`;
}
