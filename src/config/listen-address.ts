/** What an address to listen on must look like, for the flag, the question and the file alike. */

/**
 * Whether somebody could reach a server there: an IP address or the name of a machine, without scheme, port and path. Whether
 * this machine has it only shows when it listens: a mesh may bring it later.
 */
export function isListenAddress(host: string): boolean {
  // An IPv6 address may name its interface: fe80::1%eth0.
  const [address = ''] = host.split('%');
  return host.includes(':')
    ? URL.canParse(`http://[${address}]`)
    : /^[^\s/?#@\\%]+$/.test(host) && URL.canParse(`http://${host}`);
}
