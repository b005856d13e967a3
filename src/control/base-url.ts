import type { FastifyRequest } from 'fastify';
import type { Control } from './context.ts';

/**
 * Where whoever sent this request reaches the control plane; signed object URLs start with it. Nodes: as configured
 * (gateway.publicUrl), or else as they came. Clients: as they came, which may be another network than the nodes'.
 */
export function baseUrlFor(control: Control, request: FastifyRequest, who: 'node' | 'client'): string {
  const { publicUrl, tls } = control.config.gateway;
  if (who === 'node' && publicUrl !== null) return publicUrl.replace(/\/+$/, '');
  const host = request.headers.host;
  const scheme = tls === null ? 'http' : 'https';
  if (host !== undefined && /^[A-Za-z0-9.-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/.test(host)) {
    // Only who asked gets this URL, and the signature does not cover the host: a false Host header gains nothing.
    return `${scheme}://${host}`;
  }
  return publicUrl?.replace(/\/+$/, '') ?? `${scheme}://${request.server.listeningOrigin.split('://')[1]}`;
}
