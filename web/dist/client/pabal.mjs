import{d as t,l as e,m as r,n as o}from"./client/chunk-QP5F4SKW.mjs";export{e as Channel,o as Pabal,t as PabalError,r as connect};
