# For boards with little heap or few modules: MicroPython 1.9.2 with 9 KB runs it. It comes in parts, because parsing
# takes several times a source's size. Lines that end in `#V` are for verified lines only.
from @STRUCT@ import pack as P
w=@WRITE@
# As in the full agent: functions by index, their identities, namespaces; calls, lock; the last reply, pieces.
T=[];H=[];S={};n=L=0;k=B=b''
# MessagePack; f: the 16-bit form of a head that is still to be written, g: an extension's type.
def e(v):
 s=[v];o=bytearray();x=o.extend
 while s:
  v=s.pop();t=type(v);f=0;g=''
  if t is int:
   if-33<v<128:o.append(v&255)
   elif-32769<v<32768:x(P('>Bh',209,v))
   else:v=str(v);f=200;g='\1'
  elif t is float:x(P('>Bf',202,v))
  elif t is str:f=218;v=bytes(v,'')
  elif v is None:o.append(192)
  elif t is bool:o.append(194+v)
  elif t in(bytes,bytearray):f=197
  elif isinstance(v,dict):
   f=222
   for t in v:s+=v[t],t
  elif isinstance(v,(list,tuple,set)):f=220;s+=reversed(list(v))
  else:raise TypeError(t)
  if f:
   x(P('>BH',f,len(v)))
   if f<219:x(g);x(v)
 return o
# ---
def c(h,s): #V
 for x in s:h=(h*31+x)%1679609 #V
 return h #V
def d(s,g,h=0,m=''):
 g=S.setdefault(g,{})
 exec(s,g)
 if h:T.append(g.get(m));H.append(h);return len(T)-1
def f(n,o):
 a=len(o);i=n*1597
 i=bytes([248|i>>8&7,i&255])+(bytes([a])if a<255 else P('<BI',255,a))+o
 i+=P('>I',c(n,o))[1:] #V
 w(i)
 return i
# ---
def b(i,*a):
 global n,k,L,B
 if i==-1:
  i='%d %d @CAPS@ %d %s'%(n,L,@EPOCH@,H);L=0
  print(~a[0],i,0,~a[0]-1) #T
  print(~a[0],i,c(a[0],bytes(i,'')),~a[0]-1) #V
  return
 if i==-2:w(k);return
 if type(i)is bytes: #V
  if c(n,i[4:])!=int(i[:4],36):f(n+1,b'\xc1');return #V
  i=i[4:] #V
 if L:f(n+1,b'\xc1');return
 n+=1
 try:
  if type(i)is bytes: #V
   if i[0]==43:B+=i[1:];k=f(n,b'\xc0');return #V
   if i[0]==61:i=B;B=b'' #V
   i,*a=eval(i) #V
  a=e(d(i,*a)if type(i)is str else T[i](*a))
 except BaseException as z:
  if type(z)is KeyboardInterrupt:L=1
  a=e((str(type(z))[8:-2],str(z),None,None))
  a=P('>BHB',200,len(a),2)+a
 k=f(n,a)
