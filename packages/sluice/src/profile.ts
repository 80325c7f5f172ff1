import { dirname, join, resolve } from 'node:path'
import { type LoadOptions, parseProfile, parseTableSchema, SluiceError, type TableSchema } from '@sluice/engine'
import { readJsonFile } from './json-file.ts'

/**
 * Reads a profile by its name or its path, and the schema file that it names. A word without a slash and without
 * `.json` is a name, and is looked up in `folder` only.
 * @throws SluiceError SLUICE_CONFIG for a profile that cannot be used, SLUICE_SCHEMA for its schema.
 */
export async function readProfile(nameOrFile: string, folder: string | null): Promise<Partial<LoadOptions>> {
  const path = profilePath(nameOrFile, folder)
  const { schema, ...profile } = parseProfile(await readJsonFile(path, 'profile', 'SLUICE_CONFIG'), path)
  const options: Partial<LoadOptions> = profile
  if (schema === undefined) return options
  return { ...options, schema: typeof schema === 'string' ? await readSchema(resolve(dirname(path), schema)) : schema }
}

/** @throws SluiceError SLUICE_SCHEMA for a file that cannot be read, or that is not a schema. */
export async function readSchema(path: string): Promise<TableSchema> {
  return parseTableSchema(await readJsonFile(path, 'schema', 'SLUICE_SCHEMA'), path)
}

function profilePath(nameOrFile: string, folder: string | null): string {
  if (/[/\\]|\.json$/.test(nameOrFile)) return nameOrFile
  if (folder !== null) return join(folder, `${nameOrFile}.json`)
  throw new SluiceError(
    'SLUICE_CONFIG',
    `The profile "${nameOrFile}" is a name, but SLUICE_PROFILES names no folder of profiles; set it, or give a path`,
  )
}
