import { resolve } from 'node:path'
import { JobStore, type LoadOptions, load } from '@sluice/engine'
import { type Command, Option } from 'commander'
import { type Config, databaseUrl } from '../config.ts'
import { definedOf } from '../given.ts'
import { withDatabase } from './database.ts'
import { toFailure, usageError } from './failure.ts'
import { exitCodeOf, listenForInterrupt } from './interrupt.ts'
import { receiptText } from './receipt-text.ts'
import { jsonReporter, type Reporter, textReporter } from './reporter.ts'
import { addSourceFlags, type SourceFlags, sourceOptions } from './source-flags.ts'
import * as read from './values.ts'

/** The flags as commander gives them; what is not given is undefined. */
interface LoadFlags extends SourceFlags {
  to?: string
  table?: string
  mode?: 'append' | 'replace'
  atomic?: true
  key?: string[]
  onConflict?: 'reject' | 'skip' | 'update'
  dedupe?: LoadOptions['dedupe']
  expectedRows?: number
  write?: 'copy' | 'unnest'
  batchRows?: number
  parallel?: number
  maxErrors?: LoadOptions['maxErrors']
  rejects?: string
  rejectTable?: string
  restart?: true
  force?: true
  progress?: 'json'
  json?: true
  quiet?: true
}

/** Rejects that the receipt shows with their reasons. */
const SHOWN_REJECTS = 5

const EXAMPLES = `
Examples:
  sluice load people.csv                                  into the table "people" of sluice.db, types inferred
  sluice load people.csv --to postgres://me@host/shop     DATABASE_URL is the default of --to
  sluice load 'exports/2024-*.csv' --table orders --schema orders.schema.json
  curl -s https://example.com/a.csv | sluice load - --table a --max-errors 1%
  sluice load people.csv --map "E-Mail=email" --skip notes --set tenant=acme

Exit codes: 0 loaded (rejects within the budget), 1 failed, 2 usage or configuration, 3 error budget exceeded,
130 or 143 interrupted: the same command goes on where it stopped.`

export function addLoad(program: Command, config: Config): void {
  const command = program
    .command('load')
    .summary('load files into a table')
    .description(
      'Load CSV, JSON and NDJSON files into a table. Records that do not fit are kept aside with their reasons.',
    )
    .argument('<file...>', 'files, patterns in quotes, s3://bucket/key, or - for standard input')
    .addHelpText('after', EXAMPLES)

  command.optionsGroup('Where to:')
  command.option('--to <url>', 'sqlite:PATH or postgres://… (default: $DATABASE_URL, else sqlite:sluice.db)')
  command.option('--table <table>', 'T or schema.T (default: the name of the file without its extensions)')
  command.addOption(new Option('--mode <mode>', 'replace swaps all rows of the table').choices(['append', 'replace']))

  addSourceFlags(command)

  command.optionsGroup('How to write:')
  command.option('--key <columns>', "key columns, a,b (default: the schema's primaryKey)", read.nameList('--key'))
  command.addOption(
    new Option('--on-conflict <what>', 'a record whose key is taken (default: reject)').choices([
      'reject',
      'skip',
      'update',
    ]),
  )
  command.addOption(
    new Option('--dedupe <what>', 'load equal records once, by their key or their content (default: none)').choices([
      'none',
      'key',
      'content',
      'content:count',
    ]),
  )
  command.option(
    '--expected-rows <n>',
    'records that --dedupe content is to expect (default: by the size)',
    read.wholeNumber('--expected-rows', 1),
  )
  command.option('--atomic', 'all rows become visible at once at the end, or none (as --mode replace always does)')
  command.addOption(new Option('--write <way>', 'PostgreSQL only (default: copy)').choices(['copy', 'unnest']))
  command.option(
    '--batch-rows <n>',
    'records a transaction (default: 50000; unnest: 1000)',
    read.wholeNumber('--batch-rows', 1),
  )
  command.option(
    '--parallel <n>',
    'connections to PostgreSQL that bring batches in at once (default: 2)',
    read.wholeNumber('--parallel', 1),
  )
  command.option(
    '--max-errors <n>',
    'fail beyond so many rejects, 100 or 1% (default: no limit)',
    read.errorBudget('--max-errors'),
  )
  command.option('--rejects <file.csv>', 'write the rejects to this file as well')
  command.option('--reject-table <table>', 'the table of the rejects, T or schema.T (default: failed_imports)')
  command.option('--force', 'load files also that were loaded into this table before')
  command.option('--restart', 'forget an interrupted load of the same file, and start over')

  command.optionsGroup('What to show:')
  command.addOption(new Option('--progress <form>', 'progress as lines of JSON on standard error').choices(['json']))
  command.option('--json', 'the receipt as JSON')
  command.option('--quiet', 'nothing but errors (and the JSON receipt, with --json)')

  command.action(async (words: string[], flags: LoadFlags) => {
    process.exitCode = await runLoad(words, flags, config)
  })
}

async function runLoad(words: string[], flags: LoadFlags, config: Config): Promise<number> {
  const reporter = flags.progress === 'json' ? jsonReporter(flags.quiet === true) : textReporter(flags.quiet === true)
  using interrupt = listenForInterrupt(
    () => reporter.notice('stopping: what is in flight is being committed; interrupt again to stop at once'),
    () => reporter.close(),
  )
  try {
    const options = await loadOptions(words, flags, config, interrupt.signal)
    if (process.stdin.isTTY && words.includes('-')) reporter.notice('reading what you type, to Ctrl-D')
    const receipt = await load({
      ...options,
      signal: interrupt.signal,
      onNotice: (message) => reporter.notice(message),
      onProgress: (progress) => reporter.progress(progress),
    })
    reporter.close()
    if (flags.json) process.stdout.write(`${JSON.stringify(receipt)}\n`)
    else if (!flags.quiet) {
      const rejects = receipt.rejected > 0 ? await firstRejects(receipt.jobId, flags.to, config, reporter) : []
      process.stdout.write(
        receiptText(receipt, { rejects, to: flags.to, rejectsFile: options.rejects, rejectTable: options.rejectTable }),
      )
    }
    return 0
  } catch (error) {
    const by = interrupt.received()
    const failure = toFailure(error, config.debug)
    reporter.close()
    if (by !== null && failure.code === 'SLUICE_SOURCE_EMPTY') {
      reporter.failure({ ...failure, code: 'SLUICE_INTERRUPTED', message: 'Interrupted before there was any input' })
      return exitCodeOf(by)
    }
    reporter.failure(failure)
    return by !== null && failure.code === 'SLUICE_INTERRUPTED' ? exitCodeOf(by) : failure.exit
  }
}

/** The load is complete; that its rejects cannot be shown now does not make it fail. */
async function firstRejects(jobId: string, to: string | undefined, config: Config, reporter: Reporter) {
  try {
    return await withDatabase(to, config, async (database) => {
      const page = await new JobStore(database).rejects(jobId, { pageSize: SHOWN_REJECTS }).next()
      return page.value ?? []
    })
  } catch (error) {
    reporter.notice(`the rejects cannot be shown: ${toFailure(error, config.debug).message}`)
    return []
  }
}

async function loadOptions(
  words: string[],
  flags: LoadFlags,
  config: Config,
  signal: AbortSignal,
): Promise<LoadOptions> {
  const to = databaseUrl(flags.to, config)
  const options: LoadOptions = {
    ...(await sourceOptions(words, flags, config, signal)),
    ...definedOf({
      table: flags.table,
      key: flags.key,
      onConflict: flags.onConflict,
      dedupe: flags.dedupe,
      expectedRows: flags.expectedRows,
      mode: flags.mode,
      atomic: flags.atomic,
      write: flags.write,
      batchRows: flags.batchRows,
      parallel: flags.parallel,
      maxErrors: flags.maxErrors,
      rejects: flags.rejects,
      rejectTable: flags.rejectTable,
      restart: flags.restart,
      force: flags.force,
    }),
    to,
  }
  if (options.sourceName !== undefined && options.table === undefined) {
    throw usageError('Standard input has no name to call the table by; give --table')
  }
  refuseOverwriting(options)
  return options
}

/** The file of rejects is written anew, so it must not be what is read. */
function refuseOverwriting({ rejects, source }: LoadOptions): void {
  if (rejects === undefined) return
  const sources = typeof source === 'string' ? [source] : Array.isArray(source) ? source : []
  if (sources.some((path) => resolve(path) === resolve(rejects))) {
    throw usageError(`--rejects ${rejects} would overwrite the source; name another file`)
  }
}
