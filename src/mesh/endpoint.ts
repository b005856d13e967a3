/**
 * What is wrong with `host:port` as WireGuard's Endpoint; null: nothing. A name is not looked up: it may only be known
 * where the node is.
 */
export function checkEndpoint(text: string): string | null {
  const found = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]]+)):(\d{1,6})$/.exec(text);
  if (!found) {
    if (/^[0-9A-Fa-f]*:[0-9A-Fa-f:]*:\d+$/.test(text))
      return 'an IPv6 address goes in brackets: [2001:db8::1]:51820';
    return 'HOST:PORT is expected, such as farm.example.com:51820';
  }
  const [, , host, port = ''] = found;
  if (Number(port) < 1 || Number(port) > 65_535) return `port ${port} is not from 1 to 65535`;
  if (host === undefined) return null;
  if (/^[\d.]+$/.test(host)) {
    const parts = host.split('.');
    if (parts.length !== 4 || parts.some((part) => part === '' || Number(part) > 255))
      return `${host} is no IPv4 address`;
    return null;
  }
  const isName =
    host.length <= 253 && host.split('.').every((label) => /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/.test(label));
  return isName ? null : `${host} is no host name`;
}
