import swagger from '@fastify/swagger'
import { VERSION } from '../version.ts'
import type { App } from './routes.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Schema of the form that the body may be; it is read as a stream, part by part, so Fastify does not check it. */
    form?: object
    /** Media types of files that may be the whole body instead. */
    files?: string[]
  }
}

const DESCRIPTION = `Loads CSV, NDJSON and JSON files of any size into a database. Where the server has keys, every call needs one:
\`Authorization: Bearer KEY\`. An upload is seen only with the key that it was made with. Errors are problem documents (RFC 9457).`

/** Describes the routes from the schemas that check their requests and write their answers. To be called before they are made. */
export async function describeRoutes(app: App): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'sluice', version: VERSION, description: DESCRIPTION },
      tags: [{ name: 'uploads' }, { name: 'rejects' }, { name: 'operations' }],
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
      security: [{ key: [] }],
    },
    hideUntagged: true,
    transform: ({ schema, url, route }) => {
      const { form, files } = route.config ?? {}
      if (!form) return { schema, url }
      const whole = { type: 'string', format: 'binary' }
      const content = Object.fromEntries([
        ['multipart/form-data', { schema: form }],
        ...(files ?? []).map((type) => [type, { schema: whole }]),
      ])
      return { schema: { ...schema, body: { content } }, url }
    },
  })
}
