import { SluiceError } from '@sluice/engine'

/** What the environment says, with every default in its place. Flags win over it, where they are read. */
export interface Config {
  /** `DATABASE_URL`, else `sqlite:sluice.db`. */
  databaseUrl: string
  /** Folder in which `--profile NAME` looks for `NAME.json`: `SLUICE_PROFILES`. */
  profilesFolder: string | null
  /** Stacks and causes with errors: `SLUICE_DEBUG`. */
  debug: boolean
  /** Where objects of S3 are: `S3_ENDPOINT` and `S3_REGION`. Who may read them is told by the AWS credential chain. */
  s3: S3Place
}

export interface S3Place {
  /** Null: that of AWS. Buckets of any other are addressed by path. */
  endpoint: string | null
  region: string
}

export function readConfig(env: NodeJS.ProcessEnv): Config {
  return {
    databaseUrl: env['DATABASE_URL'] || 'sqlite:sluice.db',
    profilesFolder: env['SLUICE_PROFILES'] || null,
    debug: Boolean(env['SLUICE_DEBUG']),
    s3: {
      endpoint: env['S3_ENDPOINT'] || null,
      region: env['S3_REGION'] || env['AWS_REGION'] || 'us-east-1',
    },
  }
}

/**
 * The URL that the flag or the environment gives.
 * @throws SluiceError SLUICE_CONFIG where it is of no database that sluice knows.
 */
export function databaseUrl(flag: string | undefined, config: Config): string {
  const url = flag ?? config.databaseUrl
  if (/^(sqlite:.|postgres(ql)?:\/\/)/.test(url)) return url
  const from = flag === undefined ? 'DATABASE_URL' : '--to'
  if (url === 'sqlite:')
    throw new SluiceError('SLUICE_CONFIG', `${from} names no file: sqlite:PATH, e.g. sqlite:out.db`)
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]
  if (scheme !== undefined) {
    const meant = /^(pg|postgre|psql)/i.test(scheme) ? 'postgres://…' : 'sqlite:PATH or postgres://…'
    throw new SluiceError('SLUICE_CONFIG', `${from} has the unknown scheme "${scheme}:"; use ${meant}`)
  }
  const hint = /\.(db|sqlite3?|db3)$/i.test(url) ? `, here perhaps sqlite:${url}` : ''
  throw new SluiceError('SLUICE_CONFIG', `${from} is not a database URL; use sqlite:PATH or postgres://…${hint}`)
}

/** The URL as it may be shown: without its password. */
export function withoutPassword(text: string): string {
  return text
    .replaceAll(/\b([a-z][a-z0-9+.-]*:\/\/[^\s:@/?#]*):\S*@/gi, '$1@')
    .replaceAll(/\b((?:ssl)?password=)[^\s&"']+/gi, '$1***')
}
