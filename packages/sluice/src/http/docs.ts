import { ERRORS } from '@sluice/engine'
import { docsPage, STYLE } from './docs-page.ts'
import type { App } from './routes.ts'

/** Nothing but its own style sheet may be loaded by the page, and no page may hold it in a frame. */
const POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** The description of the API: for programs at `/docs/openapi.json`, for people at `/docs`. */
export function docsRoutes(app: App): void {
  let page: string | undefined
  const open = { open: true, rateLimit: false } as const
  app.get('/docs/openapi.json', { config: open }, async () => app.swagger())
  app.get('/docs/style.css', { config: open }, async (_request, reply) =>
    reply.type('text/css; charset=utf-8').send(STYLE),
  )
  app.get('/docs', { config: open }, async (_request, reply) => {
    page ??= docsPage(app.swagger(), ERRORS)
    return reply.type('text/html; charset=utf-8').header('content-security-policy', POLICY).send(page)
  })
}
