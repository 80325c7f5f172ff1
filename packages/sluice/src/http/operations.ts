import type { Registry } from 'prom-client'
import { Type } from 'typebox'
import { VERSION } from '../version.ts'
import { Problem } from './problem.ts'
import type { App, Context } from './routes.ts'
import { problems } from './schemas.ts'

/** Longest look at the database and the storage, in ms. */
const READY_WITHIN = 3_000
/** One look answers all who ask within this time, in ms, so that nobody can make the database busy with it. */
const READY_FOR = 1_000

const Health = Type.Object({ status: Type.Literal('ok'), version: Type.String() }, { title: 'Health' })
const Ready = Type.Object({ status: Type.Literal('ready') }, { title: 'Ready' })

export function operationRoutes(app: App, { service }: Context, registry: Registry): void {
  app.get(
    '/health',
    {
      schema: { summary: 'Whether the process lives', tags: ['operations'], security: [], response: { 200: Health } },
      config: { open: true, rateLimit: false },
    },
    async () => ({ status: 'ok' as const, version: VERSION }),
  )

  let last: { at: number; answer: Promise<void> } | undefined
  app.get(
    '/ready',
    {
      schema: {
        summary: 'Whether the database and the storage answer',
        tags: ['operations'],
        security: [],
        response: { 200: Ready, ...problems(503) },
      },
      config: { open: true, rateLimit: false },
    },
    async (request) => {
      const now = performance.now()
      if (!last || now - last.at > READY_FOR) {
        last = { at: now, answer: within(service.check(), READY_WITHIN) }
        last.answer.catch((error: Error) => request.log.warn({ err: error }, 'not ready'))
      }
      try {
        await last.answer
      } catch (cause) {
        throw new Problem(503, 'The database or the storage does not answer', {
          headers: { 'retry-after': '5' },
          cause,
        })
      }
      return { status: 'ready' as const }
    },
  )

  app.get(
    '/metrics',
    {
      schema: {
        summary: 'Figures for Prometheus',
        tags: ['operations'],
        response: {
          200: { description: 'Text of Prometheus', content: { 'text/plain': { schema: Type.String() } } },
          ...problems(),
        },
      },
    },
    async (_request, reply) => reply.header('content-type', registry.contentType).send(await registry.metrics()),
  )
}

async function within(work: Promise<void>, ms: number): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  try {
    await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}
