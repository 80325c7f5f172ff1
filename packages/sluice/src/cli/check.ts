import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import {
  type CheckOptions,
  type CheckReport,
  check,
  emitTableSchema,
  type LoadOptions,
  rejectText,
} from '@sluice/engine'
import { type Command, Option } from 'commander'
import type { Config } from '../config.ts'
import { definedOf } from '../given.ts'
import { reportText } from './check-text.ts'
import { toFailure, usageError } from './failure.ts'
import { exitCodeOf, listenForInterrupt } from './interrupt.ts'
import { textReporter } from './reporter.ts'
import { addSourceFlags, type SourceFlags, sourceOptions } from './source-flags.ts'
import * as read from './values.ts'

interface CheckFlags extends SourceFlags {
  to?: string
  table?: string
  key?: string[]
  onConflict?: LoadOptions['onConflict']
  dedupe?: LoadOptions['dedupe']
  maxErrors?: LoadOptions['maxErrors']
  emitSchema?: string
  show?: number
  json?: true
  quiet?: true
}

const EXAMPLES = `
Examples:
  sluice check people.csv                                 the dialect, the types, and what would be rejected
  sluice check people.csv --emit-schema people.schema.json
  sluice check people.csv --to postgres://me@host/shop --table people --json

Exit codes: 0 a load would complete, 1 the source cannot be read, or a load would stop because its first 10,000 records are all
rejected, 2 usage, configuration, or a source that does not fit, 3 more rejects than --max-errors allows.`

export function addCheck(program: Command, config: Config): void {
  const command = program
    .command('check')
    .summary('read a file as load does, and write nothing')
    .description(
      'Read everything and write nothing: how the file is written, the type of each column and why, and the records that a load would reject.',
    )
    .argument('<file...>', 'files, patterns in quotes, s3://bucket/key, or - for standard input')
    .addHelpText('after', EXAMPLES)

  command.optionsGroup('Where to (default: a new table):')
  command.option('--to <url>', 'look at the table in this database, where there is one')
  command.option('--table <table>', 'the table, T or schema.T (default: the name of the file without its extensions)')
  command.option('--key <columns>', "key columns, a,b (default: the schema's primaryKey)", read.nameList('--key'))

  command.addOption(
    new Option('--on-conflict <what>', 'look whether a load with it could begin; no keys are compared').choices([
      'reject',
      'skip',
      'update',
    ]),
  )
  command.addOption(
    new Option('--dedupe <what>', 'look whether a load with it could begin; nothing is compared').choices([
      'none',
      'key',
      'content',
      'content:count',
    ]),
  )

  addSourceFlags(command)

  command.optionsGroup('What to show:')
  command.option('--emit-schema <file>', 'write the schema to a file, which load takes with --schema')
  command.option('--show <n>', 'rejects that are shown, the first ones (default: 20)', read.wholeNumber('--show', 0))
  command.option(
    '--max-errors <n>',
    'exit with 3 beyond so many rejects, 100 or 1% (default: no limit)',
    read.errorBudget('--max-errors'),
  )
  command.option('--json', 'the report as JSON')
  command.option('--quiet', 'nothing but errors (and the JSON report, with --json)')

  command.action(async (words: string[], flags: CheckFlags) => {
    process.exitCode = await runCheck(words, flags, config)
  })
}

async function runCheck(words: string[], flags: CheckFlags, config: Config): Promise<number> {
  const reporter = textReporter(flags.quiet === true)
  using interrupt = listenForInterrupt(
    () => undefined,
    () => reporter.close(),
  )
  try {
    const source = await sourceOptions(words, flags, config, interrupt.signal)
    const options: CheckOptions = {
      ...source,
      ...definedOf({
        to: flags.to,
        table: flags.table,
        key: flags.key,
        onConflict: flags.onConflict,
        dedupe: flags.dedupe,
        shown: flags.show,
      }),
      signal: interrupt.signal,
      onNotice: (message) => reporter.notice(message),
    }
    if (flags.emitSchema !== undefined) refuseOverwriting(flags.emitSchema, source.source)
    const report = await check(options)
    if (flags.emitSchema !== undefined) await writeSchema(flags.emitSchema, emitTableSchema(report.schema))
    if (flags.json) process.stdout.write(`${jsonOf(report)}\n`)
    else if (!flags.quiet) process.stdout.write(reportText(report))
    if (report.hopeless) return 1
    return isExceeded(flags.maxErrors ?? source.maxErrors, report) ? 3 : 0
  } catch (error) {
    const by = interrupt.received()
    const failure = toFailure(error, config.debug)
    reporter.failure(failure)
    return by !== null && failure.code === 'SLUICE_INTERRUPTED' ? exitCodeOf(by) : failure.exit
  }
}

function isExceeded(
  budget: LoadOptions['maxErrors'],
  { rejected, recordsRead }: { rejected: number; recordsRead: number },
) {
  if (!budget) return false
  return 'rows' in budget ? rejected > budget.rows : rejected > (recordsRead * budget.percent) / 100
}

/** The schema is written anew, so it must not be what is read. */
function refuseOverwriting(file: string, source: LoadOptions['source']): void {
  const sources = typeof source === 'string' ? [source] : Array.isArray(source) ? source : []
  if (sources.some((path) => resolve(path) === resolve(file)))
    throw usageError(`--emit-schema ${file} would overwrite the source; name another file`)
}

async function writeSchema(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text)
  } catch (cause) {
    throw usageError(`The schema cannot be written to ${file}: ${(cause as Error).message}`)
  }
}

/** JSON has no bytes: as `sluice rejects --ndjson` has them. */
function jsonOf({ rejects, ...report }: CheckReport): string {
  const job = { settings: { dialect: report.dialect } }
  const shown = rejects.map(({ raw, ...reject }) => {
    const text = rejectText(job, { raw })
    return { ...reject, ...(text === null ? { rawBase64: Buffer.from(raw).toString('base64') } : { raw: text }) }
  })
  return JSON.stringify({ ...report, rejects: shown })
}
