import type { Command } from 'commander';

/** Shell code that asks `presslift complete` for candidates; sites are looked up each time. */
export function completionScript(shell: 'bash' | 'zsh' | 'fish'): string {
  return scripts[shell].trim();
}

const scripts = {
  bash: `
_presslift() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(presslift complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _presslift presslift`,
  zsh: `
#compdef presslift
_presslift() {
  local -a found
  found=("\${(@f)$(presslift complete -- "\${(@)words[2,$CURRENT]}" 2>/dev/null)}")
  compadd -a found
}
compdef _presslift presslift`,
  fish: `
function __presslift_complete
  set -l words (commandline -opc) (commandline -ct)
  presslift complete -- $words[2..-1] 2>/dev/null
end
complete -c presslift -f -a '(__presslift_complete)'`,
};

/**
 * What may stand in the place of the last word.
 *
 * @param words everything after `presslift`; the last one is being typed and may be empty
 * @param sites names of the site files
 */
export function candidates(program: Command, words: string[], sites: string[]): string[] {
  const typed = words.at(-1) ?? '';
  let command = program;
  let position = 0;
  let valueOf: string | null = null;
  for (const word of words.slice(0, -1)) {
    if (valueOf !== null) {
      valueOf = null;
    } else if (word.startsWith('-')) {
      valueOf = takesValue(command, word) ? word : null;
    } else {
      const next = command.commands.find((child) => child.name() === word);
      if (next !== undefined) command = next;
      else if (command.commands.length > 0) return [];
      else position += 1;
    }
  }
  const all =
    valueOf === null
      ? [...placesOf(command, position, sites), ...flagsOf(command, typed)]
      : choicesOf(command, valueOf);
  return all.filter((candidate) => candidate.startsWith(typed));
}

const optionOf = (command: Command, flag: string) =>
  command.options.find((option) => option.long === flag || option.short === flag);

const takesValue = (command: Command, flag: string) => optionOf(command, flag)?.required === true;

const choicesOf = (command: Command, flag: string) => optionOf(command, flag)?.argChoices ?? [];

/** Options only once a dash is typed; otherwise they would bury the names. */
const flagsOf = (command: Command, typed: string) =>
  typed.startsWith('-') ? command.options.flatMap(({ long }) => (long ? [long] : [])) : [];

function placesOf(command: Command, position: number, sites: string[]): string[] {
  const children = command.commands
    .map((child) => child.name())
    .filter((name) => name !== 'complete');
  if (children.length > 0) return children.sort();
  const argument = command.registeredArguments[position];
  if (argument === undefined) return [];
  return argument.argChoices ?? (argument.name().startsWith('site') ? sites : []);
}
