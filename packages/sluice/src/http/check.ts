import { check, SluiceError } from '@sluice/engine'
import { Type } from 'typebox'
import { withoutPassword } from '../config.ts'
import { acceptFiles, FILE_TYPES, receive } from './body.ts'
import { Problem } from './problem.ts'
import { type App, type Context, signalOf } from './routes.ts'
import { CheckReport, problems } from './schemas.ts'
import { Settings, uploadRequest } from './settings.ts'
import { settingsOf } from './uploads.ts'

/** Bytes: a sample that someone waits for, checked within a second. */
const SAMPLE_BYTES = 8 * 1024 * 1024
const SHOWN = 50

const Form = Type.Object({
  ...Settings.properties,
  file: Type.Unsafe<unknown>({ type: 'string', format: 'binary', description: 'The first records of a file' }),
})

/** To be registered in a scope of its own: files are bodies here. */
export function checkRoutes(app: App, context: Context, done: () => void): void {
  const { config } = context
  acceptFiles(app)
  app.post(
    '/check',
    {
      schema: {
        summary: 'What an upload of a sample would find; nothing is written',
        tags: ['uploads'],
        querystring: Type.Object(Settings.properties, { additionalProperties: false }),
        response: { 200: CheckReport, ...problems(408, 409, 413, 415, 422, 503) },
      },
      config: { form: Form, files: FILE_TYPES },
    },
    async (request, reply) => {
      const signal = signalOf(reply, context)
      const incoming = await receive(request, { ...config, maxUploadBytes: SAMPLE_BYTES }, signal)
      const settings = settingsOf(request, request.query, incoming.fields)
      const { options, fileName } = await uploadRequest(settings, incoming.fileName, request.apiKey, config)
      try {
        return await check({
          ...options,
          source: incoming.file,
          sourceName: fileName,
          to: config.databaseUrl,
          shown: SHOWN,
          signal,
          onNotice: (message) => request.log.debug(withoutPassword(message)),
        })
      } catch (error) {
        if (error instanceof SluiceError && error.code === 'SLUICE_INTERRUPTED')
          throw new Problem(503, 'The check was ended', { cause: error })
        throw error
      }
    },
  )
  done()
}
