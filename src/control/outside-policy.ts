/** What flatrender.yaml says about addresses that this control plane may call for somebody else. */
import type { ControlConfig } from '../config/control-config.ts';
import type { OutsidePolicy } from '../lib/public-address.ts';

/**
 * The policy of webhooks or of files named by URL. The networks of `gateway.allow` are the mesh, or whatever the farm
 * trusts: only a host that is named is called there. Loopback and networks wider than /8 say nothing about a mesh.
 */
export function outsidePolicy(
  { gateway }: ControlConfig,
  allowed: Pick<OutsidePolicy, 'allowPrivate' | 'allowHosts'>,
): OutsidePolicy {
  const closed = (gateway.allow ?? []).filter(
    (network) => !/^(127\.|::1\/)/.test(network) && Number(network.split('/')[1]) >= 8,
  );
  return { allowPrivate: allowed.allowPrivate, allowHosts: allowed.allowHosts, closed };
}
