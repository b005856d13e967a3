/** Variables of the environment that look like options of the control plane, but are none. */
import { closest } from '../lib/did-you-mean.ts';
import { variableOf } from './control-config.ts';
import { keysAt, optionPaths, S3_VARIABLES } from './control-schema.ts';

/**
 * What deserves a warning: a misspelt variable would otherwise be ignored in silence. Only those that begin like a section
 * of flatrender.yaml; the others (FLATRENDER_HOME, those of a deployment's own scripts) have their own meaning.
 */
export function unknownVariables(env: NodeJS.ProcessEnv): string[] {
  const secrets = Object.entries(S3_VARIABLES).flatMap(([path, short]) => [variableOf(path), short]);
  const known = [
    ...new Set([...optionPaths().map(variableOf), ...secrets, ...secrets.map((name) => `${name}_FILE`)]),
  ];
  const sections = (keysAt([]) ?? []).filter((key) => keysAt([key]) !== undefined);
  const beginnings = [...sections.map((section) => `${variableOf(section)}_`), 'FLATRENDER_S3_'];
  return Object.keys(env)
    .filter((name) => !known.includes(name) && beginnings.some((beginning) => name.startsWith(beginning)))
    .map((name) => {
      // All of them begin alike: what tells them apart is behind it.
      const meant = closest(
        name.slice(PREFIX.length),
        known.map((each) => each.slice(PREFIX.length)),
      );
      return `the environment variable ${name} is no option${meant === undefined ? '' : `; did you mean ${PREFIX}${meant}?`}`;
    });
}
const PREFIX = 'FLATRENDER_';
