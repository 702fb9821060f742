import{d as t,l as e,m as r,n as o}from"./client/chunk-UXYMKYJY.mjs";export{e as Channel,o as Pabal,t as PabalError,r as connect};
