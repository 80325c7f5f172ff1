import { Command, CommanderError } from 'commander'
import { readConfig } from '../config.ts'
import { VERSION } from '../version.ts'
import { addCheck } from './check.ts'
import { toFailure, usageError } from './failure.ts'
import { addGenerate } from './generate.ts'
import { addJobs } from './jobs.ts'
import { addLoad } from './load.ts'
import { printable } from './plain-text.ts'
import { addRejects } from './rejects.ts'
import { addReplay } from './replay.ts'
import { addServe } from './serve.ts'
import { outliveOutput } from './standard-output.ts'
import { addWorker } from './worker.ts'

const EXAMPLES = `
Examples:
  sluice load people.csv                                   into sluice.db, in this folder
  sluice load people.csv --to postgres://me@host/shop --schema people.schema.json
  sluice rejects JOB                                       what was not loaded, and why
  sluice load --help                                       all flags of a command`

const config = readConfig(process.env)

outliveOutput()
process.on('uncaughtException', (error) => {
  fail(error)
  process.exit()
})

const program = new Command('sluice')
  .description('Load huge CSV and JSON files into PostgreSQL or SQLite: checked, resumable, in little memory.')
  .version(VERSION, '-V, --version')
  .exitOverride()
  // Errors are printed once, by fail().
  .configureOutput({ outputError: () => undefined })
  .addHelpText('after', EXAMPLES)
  .hook('preAction', (_, command) => refuseFlagsAsValues(command))

addLoad(program, config)
addCheck(program, config)
addRejects(program, config)
addReplay(program, config)
addJobs(program, config)
addServe(program, config)
addWorker(program, config)
addGenerate(program)

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) fail(error)
  // The help is printed: on request, or because there was no command.
  else if (error.code === 'commander.help') process.exitCode = error.exitCode === 0 ? 0 : 2
  else if (error.exitCode !== 0) fail(error)
}

function fail(error: unknown): void {
  const { message, exit } = toFailure(error, config.debug)
  process.stderr.write(`sluice: ${printable(message)}\n`)
  process.exitCode = exit
}

/** `--table --key id` has forgotten a value; commander takes the next flag for it. */
function refuseFlagsAsValues(command: Command): void {
  for (const option of command.options) {
    const value: unknown = command.getOptionValue(option.attributeName())
    const next = [value].flat().find((one) => typeof one === 'string' && /^--[a-z]/.test(one))
    if (next !== undefined) throw usageError(`${option.long} needs a value, but the next word is ${next}`)
  }
}
