import { useEffect, useState } from 'react'
import { apiKey, contact } from './api.ts'
import { ImportView } from './import/import-view.tsx'
import { JobsView } from './jobs/jobs-view.tsx'
import { KeyView } from './key-view.tsx'
import { focusContent, paths, type Route, useRoute } from './route.ts'
import { texts } from './texts.ts'
import { JobView } from './watch/job-view.tsx'

export function App() {
  const route = useRoute()
  const [locked, setLocked] = useState(false)
  const [lost, setLost] = useState(false)
  // Another key is another user: everything is asked for anew.
  const [session, setSession] = useState(0)

  useEffect(() => {
    const listeners = { locked: () => setLocked(true), lost: () => setLost(true), reached: () => setLost(false) }
    for (const [name, listen] of Object.entries(listeners)) contact.addEventListener(name, listen)
    addEventListener('hashchange', focusContent)
    return () => {
      for (const [name, listen] of Object.entries(listeners)) contact.removeEventListener(name, listen)
      removeEventListener('hashchange', focusContent)
    }
  }, [])
  const enter = (key: string): void => {
    apiKey.set(key)
    setLocked(key === '')
    setSession((n) => n + 1)
  }

  return (
    <>
      <button type="button" className="skip" onClick={focusContent}>
        {texts.nav.skip}
      </button>
      <header className="top">
        <a className="brand" href={paths.import}>
          <Mark />
          {texts.product}
        </a>
        <nav aria-label={texts.nav.label}>
          <NavLink to={paths.import} on={route.view === 'import'} text={texts.nav.import} />
          <NavLink to={paths.jobs} on={route.view !== 'import'} text={texts.nav.jobs} />
          <a href="/docs">{texts.nav.docs}</a>
        </nav>
        {apiKey.get() !== '' && !locked && (
          <button type="button" className="button small forget" onClick={() => enter('')}>
            {texts.key.forget}
          </button>
        )}
      </header>
      <div className="offline" role="alert" hidden={!lost}>
        {lost && texts.errors.offline}
      </div>
      <main id="content" tabIndex={-1}>
        {locked ? <KeyView enter={enter} /> : <View key={session} route={route} />}
      </main>
      <footer className="foot">{texts.footer}</footer>
    </>
  )
}

function View({ route }: { route: Route }) {
  if (route.view === 'jobs') return <JobsView />
  return route.view === 'job' ? <JobView key={route.uploadId} uploadId={route.uploadId} /> : <ImportView />
}

function NavLink({ to, on, text }: { to: string; on: boolean; text: string }) {
  return (
    <a href={to} aria-current={on ? 'page' : undefined}>
      {text}
    </a>
  )
}

function Mark() {
  return (
    <svg className="mark" viewBox="0 0 20 20" aria-hidden="true">
      <path className="gate" d="M4 3v14M10 3v14M16 3v14" />
      <path className="water" d="M4 11v6M10 6v11M16 14v3" />
    </svg>
  )
}
