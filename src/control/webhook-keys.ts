/**
 * The keys that webhooks are signed with. They come from the farm secret, by number: what is stored is only which one is in
 * use, and until when the one before is used as well. Scheme: Standard Webhooks, specification, "Signature scheme".
 */
import { createHmac, hkdfSync } from 'node:crypto';
import type { SettingStore } from '../store/settings.ts';

const SETTING = 'webhooks.key';

/** Which keys are in use. */
export interface WebhookKeyState {
  /** Of the key that receivers should have; the first is 1. */
  readonly generation: number;
  /** Until when (epoch ms) calls are signed with the key before it, too; null: no more. */
  readonly previousUntil: number | null;
}

/** The key that this farm signs webhooks with, as receivers enter it: `whsec_` and base64. */
export function webhookSecret(farmSecret: Uint8Array, generation = 1): string {
  return `whsec_${keyOf(farmSecret, generation).toString('base64')}`;
}

/** Which keys are in use now. */
export async function webhookKeys(
  store: Pick<SettingStore, 'getSetting'>,
  now: number,
): Promise<WebhookKeyState> {
  return stateOf(await store.getSetting(SETTING), now);
}

/** Takes the next key into use; for `overlapMs` calls carry a signature of the one before as well. */
export async function rotateWebhookKey(
  store: Pick<SettingStore, 'changeSetting'>,
  overlapMs: number,
  now: number,
): Promise<WebhookKeyState> {
  const value = await store.changeSetting(SETTING, (old) => {
    const { generation } = stateOf(old, now);
    return JSON.stringify({ generation: generation + 1, previousUntil: now + overlapMs });
  });
  return stateOf(value, now);
}

/** `webhook-signature` of a call: one signature, or two while receivers change keys. */
export function signWebhook(
  farmSecret: Uint8Array,
  { generation, previousUntil }: WebhookKeyState,
  call: { readonly id: string; readonly timestamp: number; readonly body: string },
): string {
  const generations = previousUntil === null ? [generation] : [generation, generation - 1];
  const signed = `${call.id}.${call.timestamp}.${call.body}`;
  return generations
    .map((each) => createHmac('sha256', keyOf(farmSecret, each)).update(signed).digest('base64'))
    .map((signature) => `v1,${signature}`)
    .join(' ');
}

function keyOf(farmSecret: Uint8Array, generation: number): Buffer {
  const info = generation === 1 ? 'flatrender webhooks v1' : `flatrender webhooks v1 key ${generation}`;
  return Buffer.from(hkdfSync('sha256', farmSecret, '', info, 32));
}

function stateOf(value: string | null, now: number): WebhookKeyState {
  if (value === null) return { generation: 1, previousUntil: null };
  const { generation, previousUntil } = JSON.parse(value) as WebhookKeyState;
  return { generation, previousUntil: previousUntil !== null && previousUntil > now ? previousUntil : null };
}
