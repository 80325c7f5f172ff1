import { useEffect, useState } from 'react'
import type { State } from '../api.ts'
import { Notice } from '../parts/notice.tsx'
import { paths } from '../route.ts'
import { texts } from '../texts.ts'
import { JobsTable } from './jobs-table.tsx'
import { useJobs } from './use-jobs.ts'

const PAGE = 50
/** What one answer holds at most. */
const MOST = 500
const STATES: State[] = ['receiving', 'uploaded', 'processing', 'completed', 'failed', 'cancelled']

/** All imports, searched by name and state. */
export function JobsView() {
  const [state, setState] = useState('')
  const [search, setSearch] = useState('')
  const [limit, setLimit] = useState(PAGE)
  const { jobs, more, error } = useJobs(limit, state)
  useEffect(() => {
    document.title = `${texts.jobs.title} · ${texts.product}`
  }, [])
  const word = search.trim().toLowerCase()
  const shown = jobs?.filter(({ fileName, table }) => `${fileName} ${table ?? ''}`.toLowerCase().includes(word))
  return (
    <div className="jobs-view">
      <header className="section-head">
        <h1>{texts.jobs.title}</h1>
        <div className="row">
          <input
            type="search"
            className="input search"
            placeholder={texts.jobs.search}
            aria-label={texts.jobs.search}
            value={search}
            onChange={(event) => setSearch(event.target.value)}
          />
          <select aria-label={texts.jobs.state} value={state} onChange={(event) => setState(event.target.value)}>
            <option value="">{texts.jobs.anyState}</option>
            {STATES.map((one) => (
              <option key={one} value={one}>
                {texts.states[one]}
              </option>
            ))}
          </select>
        </div>
      </header>
      {error && error.status !== 0 && error.status !== 401 && <Notice tone="bad" title={error.message} />}
      {!(shown || error) && <p className="hint loading">{texts.jobs.loading}</p>}
      {shown?.length === 0 &&
        (state === '' && word === '' ? <Empty /> : <p className="empty-line">{texts.jobs.none}</p>)}
      {shown && shown.length > 0 && <JobsTable jobs={shown} />}
      {more && limit < MOST && (
        <button type="button" className="button" onClick={() => setLimit(Math.min(MOST, limit + PAGE))}>
          {texts.jobs.more}
        </button>
      )}
    </div>
  )
}

function Empty() {
  return (
    <div className="empty">
      <h2>{texts.jobs.empty}</h2>
      <p className="hint">{texts.jobs.emptyHint}</p>
      <a className="button primary" href={paths.import}>
        {texts.jobs.first}
      </a>
    </div>
  )
}
