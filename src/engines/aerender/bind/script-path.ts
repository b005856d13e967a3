import { join } from 'node:path';
import { packageRoot } from '../../../lib/paths.ts';

/**
 * The script that puts the inputs into a project, inside After Effects: `templates/aftereffects/bind.jsx`, made from
 * `script/` by `npm run docs`. Copied beside its `data.json` for every task, because it looks for that next to itself.
 */
export function bindScriptPath(): string {
  return join(packageRoot(), 'templates', 'aftereffects', 'bind.jsx');
}
