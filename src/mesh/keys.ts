/** WireGuard keys: X25519, 32 bytes as base64. */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { FlatrenderError } from '../lib/errors.ts';

/** Both halves, each 44 characters of base64. */
export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

const KEY_FORM = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;
const ALL_ZERO = `${'A'.repeat(43)}=`;
/** DER of a PKCS #8 X25519 private key up to its 32 bytes (RFC 8410, section 7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** A new key pair, as `wg genkey` and `wg pubkey` make one. */
export function generateKeyPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return {
    privateKey: base64Of(privateKey.export({ format: 'jwk' }).d),
    publicKey: base64Of(publicKey.export({ format: 'jwk' }).x),
  };
}

/** The public key of a private one, as `wg pubkey` says it. MESH_INVALID when it is no key; the key is not shown. */
export function publicKeyOf(privateKey: string): string {
  if (!isKey(privateKey)) {
    throw new FlatrenderError(
      'MESH_INVALID',
      'not a WireGuard private key: 44 characters of base64 are expected',
      {
        hint: 'wg genkey, or "flatrender node key", makes one',
      },
    );
  }
  const der = Buffer.concat([PKCS8_PREFIX, Buffer.from(privateKey, 'base64')]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return base64Of(createPublicKey(key).export({ format: 'jwk' }).x);
}

/** Whether this is 32 bytes of base64 and not all zero, which `wg` takes without a word. */
export function isKey(text: string): boolean {
  return KEY_FORM.test(text) && text !== ALL_ZERO;
}

/** The key, or MESH_INVALID that names it (public keys only: the value is shown). */
export function requirePublicKey(text: string, place: string): string {
  const key = text.trim();
  if (isKey(key)) return key;
  const why =
    key === ALL_ZERO ? 'is all zero: nobody has its private half' : 'is not 44 characters of base64';
  throw new FlatrenderError('MESH_INVALID', `${place}: the public key "${key.slice(0, 60)}" ${why}`, {
    hint: 'on the node: flatrender node key',
  });
}

function base64Of(base64url: string | undefined): string {
  return Buffer.from(base64url ?? '', 'base64url').toString('base64');
}
