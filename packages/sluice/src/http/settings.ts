import { setTimeout as delay } from 'node:timers/promises'
import { fullName, type LoadOptions, parseTableSchema, SluiceError, targetName } from '@sluice/engine'
import { type Static, Type } from 'typebox'
import type { ApiKey } from '../api-key.ts'
import * as read from '../cli/values.ts'
import { definedOf, dialectOf, type GivenDialect } from '../given.ts'
import type { UploadOptions, UploadRequest } from '../jobs/upload.ts'
import { readProfile } from '../profile.ts'
import type { ServiceConfig } from '../service-config.ts'
import { AddressGuard } from '../webhook/address-guard.ts'
import { Problem } from './problem.ts'

const text = (description: string, limits: object = {}) => Type.Optional(Type.String({ description, ...limits }))
const list = (description: string) => Type.Optional(Type.Array(Type.String(), { description, maxItems: 1_000 }))
const flag = (description: string) => Type.Optional(Type.Boolean({ description }))
const count = (description: string) => Type.Optional(Type.Integer({ description, minimum: 1 }))
const word = <const Words extends string[]>(words: Words, description: string) =>
  Type.Optional(Type.Unsafe<Words[number]>({ type: 'string', enum: words, description }))

export const PROFILE_NAME = '^[A-Za-z0-9_][A-Za-z0-9_.-]*$'

/** How an upload is to be loaded: fields of its form, or parameters of its URL. Texts have the syntax of the command line. */
export const Settings = Type.Object(
  {
    profile: text('Name of a profile of the server', { pattern: PROFILE_NAME, maxLength: 100 }),
    table: text('`T` or `schema.T`. Default: of the profile, else the name of the file', {
      minLength: 1,
      maxLength: 200,
      pattern: '^[^\\u0000-\\u001f\\u007f]+$',
    }),
    schema: text('Frictionless Table Schema, as JSON', { maxLength: 1_048_576 }),
    force: flag('Load also what the table holds already'),
    callbackUrl: text('Told by POST when the upload is over', { maxLength: 2_000 }),
    format: word(['csv', 'tsv', 'json', 'ndjson'], 'Default: found out, as all of the dialect'),
    jsonPath: text('Keys that lead to the array of a JSON document, `a.b`'),
    encoding: text('Such as `windows-1252`. Default: UTF-16 is found out, else UTF-8', { maxLength: 40 }),
    delimiter: text('One character or several, or `tab`'),
    trailingDelimiter: flag('Whether records end with delimiters that separate nothing'),
    skipLines: Type.Optional(Type.Integer({ description: 'Lines above the header to pass over', minimum: 0 })),
    quote: text('One character, or `none`'),
    escape: text('One character, or `none`'),
    comment: text('Lines that begin with it are skipped'),
    header: flag('Whether the first record holds the names'),
    null: list('Unquoted cells that are NULL'),
    maxDecodedBytes: count('Bytes that a compressed file may grow to. Default: 250 times its size, at least 100 MB'),
    maxRecordBytes: count('Longest record in bytes'),
    limit: count('Stop after so many records'),
    map: list('`header=column`, where the names differ'),
    skip: list('Headers that are not loaded'),
    set: list('`column=value`, the same in every row'),
    provenance: flag('Add the columns `_job`, `_file` and `_line`'),
    unknownColumns: word(
      ['reject', 'ignore', 'metadata'],
      'Columns that the table has not. Default: `reject`, the upload',
    ),
    key: text('Key columns, `a,b`. Default: the primaryKey of the schema'),
    onConflict: word(['reject', 'skip', 'update'], 'A record whose key is taken. Default: `reject`'),
    dedupe: word(
      ['none', 'key', 'content', 'content:count'],
      'Load equal records once, by their key or their content; with `content:count` equal records of one file are different ones. Default: `none`',
    ),
    replace: flag('Swap all rows of the table, at the end'),
    atomic: flag('All rows become visible at once, at the end, or none'),
    write: word(['copy', 'unnest'], 'How rows travel to PostgreSQL'),
    batchRows: count('Records a transaction'),
    maxErrors: text('Rejects allowed, `100` or `1%`. Default: no limit'),
  },
  { additionalProperties: false },
)
export type Settings = Static<typeof Settings>

/** What a key that is bound to profiles may still say: how the file is written, not what becomes of it. */
const FREE: (keyof Settings)[] = [
  'profile',
  'force',
  'callbackUrl',
  'format',
  'delimiter',
  'trailingDelimiter',
  'skipLines',
  'quote',
  'escape',
  'comment',
  'header',
  'jsonPath',
  'encoding',
  'limit',
]

/** How long an upload waits for the address of its callbackUrl, in ms. */
const RESOLVE_MS = 2_000

type Rules = Pick<ServiceConfig, 'profilesFolder' | 'defaultProfile' | 'webhookAllow'>

/**
 * Makes an upload's request of its settings: reads the profile, and judges whether the key may load into the table.
 * @param fileName null for a body that has no name
 * @throws Problem 400, 403; SluiceError SLUICE_SCHEMA, SLUICE_USAGE
 */
export async function uploadRequest(
  settings: Settings,
  fileName: string | null,
  key: ApiKey | null,
  rules: Rules,
): Promise<UploadRequest> {
  const profile = profileOf(settings, key, rules)
  const base = profile === null ? {} : await readNamed(profile, rules.profilesFolder)
  const own = optionsOf(settings)
  const options: UploadOptions = {
    ...base,
    ...own,
    dialect: { ...base.dialect, ...own.dialect },
    set: { ...base.set, ...own.set },
  }
  const name = options.table ?? fileName
  if (name === null) throw new Problem(400, 'A body without a name needs ?table=T, or a profile that names the table')
  const table = judgeTable(options.table, name, key)
  return {
    fileName: fileName ?? 'body',
    options: { ...options, table },
    force: settings.force ?? false,
    callbackUrl: await callbackOf(settings.callbackUrl, rules),
  }
}

function profileOf(settings: Settings, key: ApiKey | null, { defaultProfile }: Rules): string | null {
  const bound = key?.profiles ?? null
  const profile = settings.profile ?? (bound?.length === 1 ? bound[0]! : defaultProfile)
  if (bound === null) return profile
  if (profile === null || !bound.includes(profile)) {
    throw new Problem(403, `This key may only use the profiles ${bound.join(', ')}; name one of them as "profile"`)
  }
  const own = [...FREE, ...(key?.tables ? ['table'] : [])]
  const foreign = Object.keys(settings).find((name) => !own.includes(name))
  if (foreign !== undefined)
    throw new Problem(403, `This key is bound to profiles, which say what "${foreign}" is to be`)
  return profile
}

async function readNamed(profile: string, folder: string | null): Promise<Partial<LoadOptions>> {
  try {
    return await readProfile(profile, folder)
  } catch (cause) {
    // Where the profiles lie is nobody's business outside.
    if (!(cause instanceof SluiceError && cause.code === 'SLUICE_CONFIG')) throw cause
    throw new Problem(400, `There is no profile "${profile}" that can be used`, { cause })
  }
}

/** @throws SluiceError SLUICE_USAGE for tables of sluice; Problem 400 for those of the database, 403 for those of other keys */
function judgeTable(given: string | undefined, name: string, key: ApiKey | null): string {
  const target = targetName(given, name)
  const table = fullName(target)
  if (/^(sqlite|pg)_/i.test(target.table) || /^(pg_.*|information_schema)$/i.test(target.schema ?? '')) {
    throw new Problem(400, `"${table}" belongs to the database itself`)
  }
  if (key?.tables && !key.tables.includes(table)) throw new Problem(403, `This key may not load into "${table}"`)
  return table
}

/** What a name leads to is looked at again when it is called. @throws Problem; SluiceError SLUICE_USAGE for an address that is not public */
async function callbackOf(url: string | undefined, { webhookAllow }: Rules): Promise<string | null> {
  if (url === undefined) return null
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (!(parsed && /^https?:$/.test(parsed.protocol)) || parsed.username !== '' || parsed.password !== '') {
    throw new Problem(400, 'callbackUrl is no http:// or https:// URL, or holds a password')
  }
  const patience = delay(RESOLVE_MS, undefined, { ref: false })
  try {
    await Promise.race([new AddressGuard(webhookAllow).addresses(parsed), patience])
  } catch (error) {
    // A name that cannot be resolved now is no reason to refuse a file; nothing is sent to it before it can be.
    if (error instanceof SluiceError) throw error
  }
  return parsed.href
}

function optionsOf(settings: Settings): UploadOptions {
  const { map, set, schema } = settings
  return definedOf({
    table: settings.table,
    schema: schema === undefined ? undefined : parseTableSchema(json(schema), 'schema'),
    dialect: dialectOf(givenDialect(settings)),
    key: settings.key === undefined ? undefined : read.nameList('key')(settings.key, undefined),
    onConflict: settings.onConflict,
    dedupe: settings.dedupe,
    mode: settings.replace ? ('replace' as const) : undefined,
    atomic: settings.atomic,
    write: settings.write,
    batchRows: settings.batchRows,
    maxErrors:
      settings.maxErrors === undefined ? undefined : read.errorBudget('maxErrors')(settings.maxErrors, undefined),
    rename: map && pairsOf('map', 'header=column', 'last', map),
    skip: settings.skip,
    set: set && pairsOf('set', 'column=value', 'first', set),
    provenance: settings.provenance,
    unknownColumns: settings.unknownColumns,
    maxRecordBytes: settings.maxRecordBytes,
    maxDecodedBytes: settings.maxDecodedBytes,
    limit: settings.limit,
  })
}

function pairsOf(name: string, shape: string, cut: 'first' | 'last', texts: string[]): Record<string, string> {
  const parse = read.pairs(name, shape, cut)
  return Object.fromEntries(texts.reduce((pairs, one) => parse(one, pairs), new Map<string, string>()))
}

function givenDialect(settings: Settings): GivenDialect {
  const byte = (name: 'quote' | 'escape' | 'comment') => {
    const given = settings[name]
    return given === undefined ? undefined : read.oneByteOrNone(name)(given, undefined)
  }
  const { delimiter } = settings
  return {
    ...settings,
    delimiter: delimiter === undefined ? undefined : read.separator('delimiter')(delimiter, undefined),
    quote: byte('quote'),
    escape: byte('escape'),
    comment: byte('comment'),
  }
}

function json(schema: string): unknown {
  try {
    return JSON.parse(schema)
  } catch (cause) {
    throw new SluiceError('SLUICE_SCHEMA', `schema is not JSON: ${(cause as Error).message}`, { cause })
  }
}
