import{d as t,k as e,l as r,m as o}from"./client/chunk-EW23ZSUO.mjs";export{e as Channel,o as Pabal,t as PabalError,r as connect};
