// Pages of one's own, whole: what the first page offers to copy, and what its test runs.

export const withPabal = (origin: string, channel: string): string => `<!doctype html>
<meta charset="utf-8">
<pre id="list"></pre>
<form id="form"><input id="line"><button>Send</button></form>
<script src="${origin}/pabal.js"></script>
<script>
  const chat = pabal.connect('${origin}').channel('${channel}')
  chat.subscribe(entry => list.append(entry.data + '\\n'), { since: '20' })
  form.onsubmit = () => { chat.publish(line.value); form.reset(); return false }
</script>
`

export const withEventSource = (origin: string, channel: string): string => `<!doctype html>
<meta charset="utf-8">
<title>Chat</title>
<pre id="list"></pre>
<form id="form"><input id="line"><button>Send</button></form>
<script>
  const chat = '${origin}/channels/${channel}'
  new EventSource(chat + '?via=sse&since=20').onmessage = event => list.append(event.data + '\\n')
  form.onsubmit = () => { fetch(chat, { method: 'POST', body: line.value }); form.reset(); return false }
</script>
`
