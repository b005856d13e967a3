/** The lines of a WireGuard configuration as sections and settings; what wg does not know is refused. */

const INTERFACE_KEYS =
  'privatekey listenport fwmark address dns mtu table preup postup predown postdown saveconfig'.split(' ');
const PEER_KEYS = 'publickey presharedkey allowedips endpoint persistentkeepalive'.split(' ');

/** `Key = value`; the key in lower case, the line index from 0. */
export interface Setting {
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

/** A `[Interface]` or `[Peer]` with its settings. */
export interface Section {
  readonly kind: 'interface' | 'peer';
  readonly line: number;
  readonly settings: Setting[];
}

/** Notes a problem of a line (index from 0). */
export type Refuse = (line: number, why: string) => void;

/** Cuts a configuration into its sections. */
export function readSections(lines: readonly string[], refuse: Refuse): Section[] {
  const sections: Section[] = [];
  for (const [line, raw] of lines.entries()) {
    const content = (raw.split('#', 1)[0] ?? '').trim();
    if (content === '') continue;
    if (content.startsWith(';')) {
      refuse(line, '";" starts no comment here: use "#"');
      continue;
    }
    const title = /^\[(.*)\]$/.exec(content)?.[1]?.trim().toLowerCase();
    if (title !== undefined) {
      if (title === 'interface' || title === 'peer') sections.push({ kind: title, line, settings: [] });
      else refuse(line, `there is no section ${content}: [Interface] or [Peer]`);
      continue;
    }
    const [, key = '', value = ''] = /^([^=]+?)\s*=\s*(.*)$/.exec(content) ?? [];
    const section = sections.at(-1);
    if (key === '') refuse(line, `"${content.slice(0, 80)}" is neither a section nor KEY = VALUE`);
    else if (!section) refuse(line, `${key} stands before [Interface]`);
    else if (!(section.kind === 'interface' ? INTERFACE_KEYS : PEER_KEYS).includes(key.toLowerCase())) {
      refuse(line, `${key} is no setting of [${section.kind === 'interface' ? 'Interface' : 'Peer'}]`);
    } else section.settings.push({ key: key.toLowerCase(), value, line });
  }
  return sections;
}
