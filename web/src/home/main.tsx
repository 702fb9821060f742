import '../style.css'
import './home.css'
import { render, type ComponentChild } from 'preact'
import { Chat } from './chat.tsx'
import { Command } from './command.tsx'
import { Techniques } from './techniques.tsx'

const { origin } = location

function Commands() {
  return (
    <>
      <Command title="Publish" code={`curl -d hello ${origin}/channels/chat`} />
      <Command title="Read, and go on reading" code={`curl -N "${origin}/channels/chat?via=sse&since=all"`} />
      <Command
        title="Read in a page of this server"
        code="new EventSource('/channels/chat').onmessage = e => console.log(e.data)"
      />
    </>
  )
}

/** Replaces what the page says without scripting. */
function mount(id: string, node: ComponentChild) {
  const root = document.getElementById(id)!
  root.replaceChildren()
  render(node, root)
}

mount('commands', <Commands />)
mount('chat', <Chat channel="chat" />)
mount('techniques', <Techniques channel="chat" />)
