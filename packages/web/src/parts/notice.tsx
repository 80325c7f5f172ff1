import type { ReactNode } from 'react'

/** Something the user should know: a title, a sentence, and what can be done. */
export function Notice({ tone, title, children, actions }: NoticeProps) {
  return (
    <section className={`notice ${tone}`}>
      <div>
        <h2>{title}</h2>
        {children}
      </div>
      {actions && <div className="notice-actions">{actions}</div>}
    </section>
  )
}

interface NoticeProps {
  tone: 'bad' | 'calm'
  title: string
  children?: ReactNode
  actions?: ReactNode
}
