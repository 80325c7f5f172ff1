import { readdir } from 'node:fs/promises'
import { SluiceError } from '@sluice/engine'
import { Type } from 'typebox'
import type { App, Context } from './routes.ts'
import { PROFILE_NAME } from './settings.ts'

const Profiles = Type.Object(
  {
    profiles: Type.Array(Type.String(), { description: 'Names, sorted' }),
    default: Type.Union([Type.String(), Type.Null()], { description: 'Taken where an upload names none' }),
  },
  { title: 'Profiles' },
)

export function profileRoutes(app: App, { config: { profilesFolder, defaultProfile } }: Context): void {
  app.get(
    '/profiles',
    { schema: { summary: 'The profiles that an upload may name', tags: ['uploads'], response: { 200: Profiles } } },
    async ({ apiKey }) => {
      const names = (await filesIn(profilesFolder))
        .filter((name) => name.endsWith('.json'))
        .map((name) => name.slice(0, -'.json'.length))
        // Schemas lie beside their profiles, by convention as `NAME.schema.json`.
        .filter((name) => new RegExp(PROFILE_NAME).test(name) && !name.endsWith('.schema'))
      const bound = apiKey?.profiles ?? null
      const allowed = bound === null ? names : names.filter((name) => bound.includes(name))
      const preset = bound === null || bound.includes(defaultProfile ?? '') ? defaultProfile : null
      return { profiles: allowed.sort(), default: bound?.length === 1 ? bound[0]! : preset }
    },
  )
}

async function filesIn(folder: string | null): Promise<string[]> {
  if (folder === null) return []
  try {
    return await readdir(folder)
  } catch (cause) {
    throw new SluiceError(
      'SLUICE_CONFIG',
      `SLUICE_PROFILES names a folder that cannot be read: ${(cause as Error).message}`,
      { cause },
    )
  }
}
