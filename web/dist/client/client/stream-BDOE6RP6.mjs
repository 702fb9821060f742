import{b as e,e as a,j as i}from"./chunk-42GZ3Y2U.mjs";import"./chunk-UXYMKYJY.mjs";async function*y(s,c){let t="";function*p(f){let o=(t+f).split(`
`);t=o.pop();for(let r of o){let n=r.trim()?e(JSON.parse(r)):a();n&&(yield n)}}yield*i(s,"stream","application/x-ndjson",p,c)}export{y as read};
