/**
 * Completion scripts for bash, zsh and fish, written out in full: pressing Tab starts no flatrender.
 *
 * Not @oclif/plugin-autocomplete: a plugin is looked for and loaded at every start of the program, and its scripts are
 * files in a cache that a new version leaves stale.
 */
import type { CompletionFlag, CompletionPlace } from './completion-model.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The script for a shell; `bin` is the program's name. */
export function completionScript(shell: Shell, bin: string, places: readonly CompletionPlace[]): string {
  return { bash, zsh, fish }[shell](bin, places);
}

/** How to switch it on. */
export function completionHint(shell: Shell, bin: string): string {
  return {
    bash: `${bin} completion bash > ~/.local/share/bash-completion/completions/${bin}   (or: eval "$(${bin} completion bash)" in ~/.bashrc)`,
    zsh: `${bin} completion zsh > "\${fpath[1]}/_${bin}"   (or: eval "$(${bin} completion zsh)" in ~/.zshrc after compinit)`,
    fish: `${bin} completion fish > ~/.config/fish/completions/${bin}.fish`,
  }[shell];
}

function bash(bin: string, places: readonly CompletionPlace[]): string {
  return `# ${bin} completion for bash
_${bin}() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" place="" words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${place:+$place }\${COMP_WORDS[i]}" in
      ${alternatives(places)}) place="\${place:+$place }\${COMP_WORDS[i]}" ;;
      *) break ;;
    esac
  done
  COMPREPLY=()
  case "$place $prev" in
${valueCases(places, (options) => (options.length > 0 ? `words=${quote(options.join(' '))}` : 'return'), ')')}
    *)
      case "$place" in
${places.map((place) => `        ${quote(place.words.join(' '))}) words=${quote(allWords(place).join(' '))} ;;`).join('\n')}
      esac ;;
  esac
  # Not mapfile: macOS has bash 3.2. No word has a space in it.
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _${bin} ${bin}
`;
}

function zsh(bin: string, places: readonly CompletionPlace[]): string {
  const entries = (place: CompletionPlace): string =>
    [
      ...place.next.map(({ word, text }) => [word, text] as const),
      ...place.args.map((word) => [word, ''] as const),
      ...place.flags.map((flag) => [`--${flag.long}`, flag.text] as const),
    ]
      .map(([word, text]) => quote(`${word}:${text.replaceAll(':', '\\:')}`))
      .join(' ');
  return `#compdef ${bin}
# ${bin} completion for zsh
_${bin}() {
  local place="" i
  local -a offers
  for ((i = 2; i < CURRENT; i++)); do
    case "\${place:+$place }\${words[i]}" in
      ${alternatives(places)}) place="\${place:+$place }\${words[i]}" ;;
      *) break ;;
    esac
  done
  case "$place \${words[CURRENT-1]}" in
${valueCases(places, (options) => (options.length > 0 ? `compadd -- ${options.map(quote).join(' ')}; return` : '_files; return'), ')')}
  esac
  case "$place" in
${places.map((place) => `    ${quote(place.words.join(' '))}) offers=(${entries(place)}) ;;`).join('\n')}
  esac
  _describe ${quote(bin)} offers
  [[ "$PREFIX" == -* ]] || _files
}
if [[ "\${funcstack[1]}" == _${bin} ]]; then _${bin} "$@"; else compdef _${bin} ${bin}; fi
`;
}

function fish(bin: string, places: readonly CompletionPlace[]): string {
  const lines = places.flatMap((place) => {
    const here = `complete -c ${bin} -n ${quote(`__${bin}_place ${quoteWords(place.words)}`)}`;
    return [
      ...place.next.map(({ word, text }) => `${here} -f -a ${word} -d ${quote(text)}`),
      ...(place.args.length > 0 ? [`${here} -f -a ${quote(place.args.join(' '))}`] : []),
      ...place.flags.map((flag) => `${here}${fishFlag(flag)}`),
    ];
  });
  return `# ${bin} completion for fish
function __${bin}_place
    set -l known ${places.map((place) => quote(place.words.join(' '))).join(' ')}
    set -l place ''
    for word in (commandline -opc)[2..]
        set -l deeper (string trim -- "$place $word")
        contains -- "$deeper" $known; or break
        set place "$deeper"
    end
    test "$place" = "$argv"
end
${lines.join('\n')}
`;
}

function fishFlag(flag: CompletionFlag): string {
  const value =
    flag.options.length > 0 ? ` -x -a ${quote(flag.options.join(' '))}` : flag.takesValue ? ' -r' : '';
  return ` -l ${flag.long}${flag.short ? ` -s ${flag.short}` : ''}${value} -d ${quote(flag.text)}`;
}

/** `'job'|'job list'`: the places below the program, as a case pattern. */
function alternatives(places: readonly CompletionPlace[]): string {
  return places
    .filter((place) => place.words.length > 0)
    .map((place) => quote(place.words.join(' ')))
    .join('|');
}

/** One case per flag that takes a value; what to do with its options is the shell's. */
function valueCases(
  places: readonly CompletionPlace[],
  act: (options: readonly string[]) => string,
  close: string,
): string {
  return places
    .flatMap((place) =>
      place.flags
        .filter((flag) => flag.takesValue)
        .map((flag) => {
          const names = [`--${flag.long}`, ...(flag.short ? [`-${flag.short}`] : [])];
          return `    ${names.map((name) => quote(`${place.words.join(' ')} ${name}`)).join('|')}${close} ${act(flag.options)} ;;`;
        }),
    )
    .join('\n');
}

function allWords(place: CompletionPlace): readonly string[] {
  return [
    ...place.next.map(({ word }) => word),
    ...place.args,
    ...place.flags.flatMap((flag) => [`--${flag.long}`, ...(flag.short ? [`-${flag.short}`] : [])]),
  ];
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function quoteWords(words: readonly string[]): string {
  // Inside an already quoted condition; command words are plain.
  return words.length === 0 ? '""' : `"${words.join(' ')}"`;
}
