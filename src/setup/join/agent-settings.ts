/** Settings of agent.env as they are given on a command line. */
import { AGENT_KEYS, type AgentKey, loadAgentConfig } from '../../config/agent-config.ts';
import { didYouMean } from '../../lib/did-you-mean.ts';
import { FlatrenderError } from '../../lib/errors.ts';

/** What the invitation decides. */
const OWN: readonly string[] = ['NODE_ID', 'NODE_HMAC_SECRET', 'ORCHESTRATOR_URL'];

/** Reads `KEY=VALUE` of --set. USAGE for an unknown key, CONFIG_INVALID for a value that the agent would not take. */
export function parseSettings(pairs: readonly string[]): Readonly<Record<string, string>> {
  const settings: Record<string, string> = {};
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    const key = pair.slice(0, Math.max(0, at)).trim();
    if (at < 1) {
      throw new FlatrenderError('USAGE', `--set: "${pair}" is not KEY=VALUE`, {
        hint: 'such as --set MAX_CONCURRENT_JOBS=2',
      });
    }
    if (!Object.hasOwn(AGENT_KEYS, key)) {
      const hint = `templates/config/agent.env.example lists them all${didYouMean(key, Object.keys(AGENT_KEYS))}`;
      throw new FlatrenderError('USAGE', `--set: ${key} is no setting of the agent`, { hint });
    }
    if (OWN.includes(key)) {
      throw new FlatrenderError('USAGE', `--set: ${key} comes with the invitation`, { hint: 'leave it out' });
    }
    settings[key] = pair.slice(at + 1).trim();
  }
  const flags: Partial<Record<AgentKey, string>> = {
    ...settings,
    NODE_ID: 'node',
    NODE_HMAC_SECRET: 'x'.repeat(43),
    ORCHESTRATOR_URL: 'http://localhost',
  };
  loadAgentConfig({ flags, env: {} });
  return settings;
}
