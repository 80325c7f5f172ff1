import type { LoadOptions } from '@sluice/engine'
import { type Command, Option } from 'commander'
import type { Config } from '../config.ts'
import { definedOf, dialectOf, type GivenDialect } from '../given.ts'
import { readProfile, readSchema } from '../profile.ts'
import { usageError } from './failure.ts'
import { openSources } from './sources.ts'
import * as read from './values.ts'

/** The flags that say how a source is read and what it means, as commander gives them; what is not given is undefined. */
export interface SourceFlags extends GivenDialect {
  schema?: string
  profile?: string
  maxDecodedBytes?: number
  maxRecordBytes?: number
  limit?: number
  map?: Map<string, string>
  skip?: string[]
  set?: Map<string, string>
  provenance?: true
  unknownColumns?: 'reject' | 'ignore' | 'metadata'
}

export function addSourceFlags(command: Command): void {
  command.optionsGroup('How to read (default: found out and printed):')
  command.addOption(new Option('--format <format>', 'what the source is').choices(['csv', 'tsv', 'json', 'ndjson']))
  command.option('--json-path <keys>', 'the keys that lead to the array of a JSON document, a.b')
  command.option(
    '--delimiter <text>',
    'what separates cells: a character, several, or tab',
    read.separator('--delimiter'),
  )
  command.option('--quote <char>', 'one character, or none', read.oneByteOrNone('--quote'))
  command.option(
    '--escape <char>',
    'what escapes a quote in quotes, or none: it is doubled',
    read.oneByteOrNone('--escape'),
  )
  command.option('--comment <char>', 'lines that begin with it are skipped', read.oneByteOrNone('--comment'))
  command.option('--encoding <name>', 'utf-16le, windows-1252, … (default: UTF-16 is found out, else utf-8)')
  command.option('--header', 'the first record holds the names')
  command.option('--no-header', 'the first record is data already')
  command.option('--trailing-delimiter', 'records end with delimiters that separate nothing')
  command.option(
    '--skip-lines <n>',
    'lines above the header, or the first record, to pass over',
    read.wholeNumber('--skip-lines', 0),
  )
  command.option('--null <text>', 'an unquoted cell that is NULL; repeatable (default: the empty one)', read.repeated())
  command.option('--max-record-bytes <size>', 'longest record (default: 16MB)', read.byteCount('--max-record-bytes'))
  command.option(
    '--max-decoded-bytes <size>',
    'what a compressed file may grow to (default: 250 times its size, at least 100MB)',
    read.byteCount('--max-decoded-bytes'),
  )
  command.option('--limit <n>', 'stop after so many records', read.wholeNumber('--limit', 1))

  command.optionsGroup('What it means:')
  command.option('--schema <file>', 'Frictionless Table Schema (default: types are inferred)')
  command.option('--profile <name>', 'a file, or a name in $SLUICE_PROFILES; flags win over it')
  command.option('--map <header=column>', 'names that differ; repeatable', read.pairs('--map', 'header=column', 'last'))
  command.option('--skip <header>', 'leave a column out; repeatable', read.repeated())
  command.option(
    '--set <column=value>',
    'the same value in every row; repeatable',
    read.pairs('--set', 'column=value', 'first'),
  )
  command.option('--provenance', 'add the columns _job, _file and _line')
  command.addOption(
    new Option('--unknown-columns <what>', 'columns that the table has not (default: reject, the load)').choices([
      'reject',
      'ignore',
      'metadata',
    ]),
  )
}

/**
 * Opens the sources and reads profile and schema; flags win over the profile.
 * @throws SluiceError SLUICE_USAGE for flags that cannot both be meant, and as {@link openSources} and {@link readProfile}
 */
export async function sourceOptions(
  words: string[],
  flags: SourceFlags,
  config: Config,
  signal: AbortSignal,
): Promise<LoadOptions> {
  refuseContradictions(flags)
  const sources = await openSources(words, config, signal)
  const profile = flags.profile === undefined ? {} : await readProfile(flags.profile, config.profilesFolder)
  return {
    ...profile,
    ...sources,
    ...definedOf({
      schema: flags.schema === undefined ? undefined : await readSchema(flags.schema),
      skip: flags.skip,
      rename: flags.map && Object.fromEntries(flags.map),
      provenance: flags.provenance,
      unknownColumns: flags.unknownColumns,
      maxRecordBytes: flags.maxRecordBytes,
      maxDecodedBytes: flags.maxDecodedBytes,
      limit: flags.limit,
    }),
    dialect: { ...profile.dialect, ...dialectOf(flags) },
    set: { ...profile.set, ...(flags.set && Object.fromEntries(flags.set)) },
  }
}

/** Two flags that cannot both be meant. */
function refuseContradictions(flags: SourceFlags): void {
  if (flags.format !== undefined && flags.delimiter !== undefined) {
    throw usageError('--format says what separates the cells, and so does --delimiter; give one of them')
  }
  const isJson = flags.format === 'json' || flags.format === 'ndjson' || flags.jsonPath !== undefined
  const ofText = (
    ['quote', 'escape', 'comment', 'header', 'null', 'delimiter', 'trailingDelimiter', 'skipLines'] as const
  ).find((flag) => flags[flag] !== undefined)
  if (isJson && ofText !== undefined)
    throw usageError(
      `--${ofText.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} is for delimited text, and means nothing in JSON`,
    )
  if (flags.jsonPath !== undefined && flags.format !== undefined && flags.format !== 'json') {
    throw usageError(`--json-path is for --format json, not ${flags.format}`)
  }
  const renamed = [...(flags.map?.keys() ?? [])]
  const left = renamed.find((header) => flags.skip?.includes(header))
  if (left !== undefined) throw usageError(`"${left}" cannot be both mapped (--map) and left out (--skip)`)
  const targets = [...(flags.map?.values() ?? [])]
  const twice = targets.find((column, index) => targets.indexOf(column) !== index)
  if (twice !== undefined) throw usageError(`--map sends two headers to the column "${twice}"`)
  const both = targets.find((column) => flags.set?.has(column))
  if (both !== undefined) throw usageError(`The column "${both}" cannot be both filled by --map and by --set`)
}
