import { useSyncExternalStore } from 'react'

/** Where the page is: behind `#`, so that every address works on any server and a link can be shared. */
export type Route = { view: 'import' } | { view: 'jobs' } | { view: 'job'; uploadId: string }

const subscribe = (listen: () => void): (() => void) => {
  addEventListener('hashchange', listen)
  return () => removeEventListener('hashchange', listen)
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(subscribe, () => location.hash)
  const [, view = '', uploadId = ''] = /^#\/(\w*)\/?([\w-]*)$/.exec(hash) ?? []
  if (view !== 'imports') return { view: 'import' }
  return uploadId === '' ? { view: 'jobs' } : { view: 'job', uploadId }
}

export const paths = { import: '#/', jobs: '#/imports', job: (uploadId: string): string => `#/imports/${uploadId}` }

/** For those who walk by keyboard, when what they pressed is gone. */
export const focusContent = (): void => document.querySelector<HTMLElement>('#content')?.focus()

export const go = (path: string): void => {
  location.hash = path
}
