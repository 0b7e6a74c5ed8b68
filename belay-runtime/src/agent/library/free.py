def free(*a):
 for i in a:
  try:S.pop(i).close()
  except Exception:0
