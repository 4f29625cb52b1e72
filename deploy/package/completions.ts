import type { OptionDescription, ProgramDescription, VerbDescription } from '../../src/cli/index.ts';

/** Completions for bash and zsh, made from the command tree. test/unit/package.test.ts completes with both. */

/** What stands for a value that is a path. */
const PATHS = /^(file|path|dir)$/i;

const optionsOf = (program: ProgramDescription, verb: VerbDescription): readonly OptionDescription[] =>
  verb.asksDaemon ? [...verb.options, ...program.options] : verb.options;

const HEAD = 'made by npm run deb from the command tree: do not edit';

export function bashCompletion(program: ProgramDescription): string {
  const { verbs } = program;
  const all = [...program.options, ...verbs.flatMap((verb) => verb.options)];
  const valued = [...new Set(all.filter(({ value }) => value !== null).map(({ name }) => name))].sort();
  const names = verbs.map(({ name }) => name);
  const words = (list: readonly string[]): string => `'${list.join(' ')}'`;
  return `# bash completion for shoal; ${HEAD}
_shoal() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} verb='' count=0 i words='' files=''
  COMPREPLY=()
  # --option=value comes as three words.
  if [[ $cur == '=' ]]; then
    cur=''
  elif [[ $prev == '=' ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      ${valued.join(' | ')})
        [[ \${COMP_WORDS[i + 1]} == '=' ]] && ((i++))
        ((i++)) ;;
      -*) ;;
      *) if [[ -z $verb ]]; then verb=\${COMP_WORDS[i]}; else ((count++)); fi ;;
    esac
  done
  case "$verb $prev" in
${valueCases(program).join('\n')}
    *) case $verb in
      '') words=${words([...names, 'help', ...program.options.map(({ name }) => name), '--help', '--version'])} ;;
      help) words=${words(names)} ;;
${verbs.map((verb) => verbCase(program, verb, words)).join('\n')}
    esac ;;
  esac
  if [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
  fi
}
complete -F _shoal shoal
`;
}

/** After an option that takes a value: its values, files, or nothing that could be listed. */
function valueCases(program: ProgramDescription): string[] {
  const cases: string[] = [];
  const scopes: [string, readonly OptionDescription[]][] = program.verbs.map(({ name, options }) => [
    name,
    options,
  ]);
  for (const [scope, options] of [...scopes, ['*', program.options] as const]) {
    for (const { name, value, choices } of options) {
      if (value === null) continue;
      const what = PATHS.test(value) ? 'files=1' : choices.length > 0 ? `words='${choices.join(' ')}'` : ':';
      cases.push(`    ${scope === '*' ? '*' : `'${scope}'`}' ${name}') ${what} ;;`);
    }
  }
  return cases;
}

function verbCase(
  program: ProgramDescription,
  verb: VerbDescription,
  words: (list: readonly string[]) => string,
): string {
  const options = [...optionsOf(program, verb).map(({ name }) => name), '--help'];
  if (verb.firstArgument.length === 0) return `      ${verb.name}) words=${words(options)} ;;`;
  const first = words([...verb.firstArgument, ...options]);
  return `      ${verb.name}) if ((count == 0)); then words=${first}; else words=${words(options)}; fi ;;`;
}

export function zshCompletion(program: ProgramDescription): string {
  const { verbs } = program;
  const described = verbs.map(({ name, summary }) => `        ${quoted(`${name}:${colons(summary)}`)}`);
  return `#compdef shoal
# zsh completion for shoal; ${HEAD}
_shoal() {
  local curcontext="$curcontext" state line
  typeset -A opt_args
  _arguments -C \\
${program.options.map((option) => `    ${zshOption(option)} \\`).join('\n')}
    '--help[show help]' \\
    '--version[print the version]' \\
    '1: :->verb' \\
    '*:: :->rest'
  case $state in
    verb)
      local -a verbs=(
${described.join('\n')}
        'help:show help of a verb'
      )
      _describe -t verbs verb verbs ;;
    rest)
      case $line[1] in
        help) _values verb ${verbs.map(({ name }) => name).join(' ')} ;;
${verbs.map((verb) => zshVerb(program, verb)).join('\n')}
      esac ;;
  esac
}
if [ "$funcstack[1]" = _shoal ]; then
  _shoal "$@"
else
  compdef _shoal shoal
fi
`;
}

function zshVerb(program: ProgramDescription, verb: VerbDescription): string {
  const options = optionsOf(program, verb).map((option) => `            ${zshOption(option)} \\`);
  const first = verb.firstArgument;
  const rest = first.length > 0 ? `'1:operation:(${first.join(' ')})' '*:: :'` : `'*:: :'`;
  return [
    `        ${verb.name})`,
    `          _arguments \\`,
    ...options,
    `            '--help[show help]' ${rest} ;;`,
  ].join('\n');
}

function zshOption({ name, value, help, choices }: OptionDescription): string {
  const about = `[${help.replace(/[\\[\]]/g, '\\$&')}]`;
  if (value === null) return quoted(`${name}${about}`);
  const action = PATHS.test(value) ? '_files' : choices.length > 0 ? `(${choices.join(' ')})` : ' ';
  return quoted(`${name}=${about}:${colons(value)}:${action}`);
}

const colons = (words: string): string => words.replaceAll(':', '\\:');

/** In single quotes for a shell. */
const quoted = (words: string): string => `'${words.replaceAll("'", "'\\''")}'`;
